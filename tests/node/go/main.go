// Command keywright-node is kubelet and kube-scheduler in one program: what a control plane needs besides
// to run pods on this machine. The first argument chooses the tool.
package main

import (
	"context"
	"fmt"
	"os"

	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // the servers' client metrics
	_ "k8s.io/component-base/metrics/prometheus/version"  // the servers' version metric
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// tools maps a tool's name to its entry point, which finds its own arguments in os.Args[1:].
var tools = map[string]func() int{
	"kubelet":        func() int { return cli.Run(kubelet.NewKubeletCommand(context.Background())) },
	"kube-scheduler": func() int { return cli.Run(scheduler.NewSchedulerCommand()) },
}

func main() {
	if len(os.Args) > 1 {
		os.Args = os.Args[1:]
	}
	run, ok := tools[os.Args[0]]
	if !ok {
		fmt.Fprintln(os.Stderr, "name the tool to run as the first argument: kubelet or kube-scheduler")
		os.Exit(2)
	}
	if err := exitWithParent(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Exit(run())
}
