package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

// parentVariable holds the process id of the supervisor. It is passed as a number, rather than read here
// with os.Getppid, because the supervisor may be gone before this program has begun.
const parentVariable = "KEYWRIGHT_EXIT_WITH_PARENT"

const parentPollInterval = time.Second

// exitWithParent ends this process soon after the supervisor named by the environment has died, even if
// that was killed and could stop nothing itself. Without the variable it does nothing.
func exitWithParent() error {
	value, ok := os.LookupEnv(parentVariable)
	if !ok {
		return nil
	}
	parent, err := strconv.Atoi(value)
	if err != nil || parent < 1 {
		return fmt.Errorf("%s=%q is no process id; set it to that of the parent process, or unset it", parentVariable, value)
	}
	go func() {
		for os.Getppid() == parent {
			time.Sleep(parentPollInterval)
		}
		fmt.Fprintln(os.Stderr, "the parent process is gone: exiting")
		os.Exit(1)
	}()
	return nil
}
