// Command keywright-control-plane is etcd, kube-apiserver, kube-controller-manager and kubectl in one
// program, which shares their common code and is linked once. The name it is called by chooses the tool:
// either its own (a symbolic link named after the tool) or else the first argument.
package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// tools maps a tool's name to its entry point, which returns the exit code.
// An entry point finds its own arguments in os.Args[1:].
var tools = map[string]func() int{
	"etcd":                    runEtcd,
	"kube-apiserver":          runAPIServer,
	"kube-controller-manager": runControllerManager,
	"kubectl":                 runKubectl,
}

func main() {
	run, ok := tools[filepath.Base(os.Args[0])]
	if !ok && len(os.Args) > 1 {
		os.Args = os.Args[1:]
		run, ok = tools[os.Args[0]]
	}
	if !ok {
		names := slices.Sorted(maps.Keys(tools))
		fmt.Fprintf(os.Stderr, "name the tool to run, by a link's name or the first argument: %s\n", strings.Join(names, ", "))
		os.Exit(2)
	}
	if err := exitWithParent(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Exit(run())
}
