package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/spotpool/spotpool/internal/config"
)

// servesOn finds the address in what welcome prints; a worker has none.
var servesOn = regexp.MustCompile(`^Spotpool (?:.* serves on (http://\S+)|worker takes jobs)`)

// child is another process of this program.
type child struct {
	base   string // http://host:port of its API, empty when it has none
	cmd    *exec.Cmd
	ended  chan struct{} // closed once it has
	reason error         // of its end
}

// startChild runs this program in a process of its own and returns once it says
// that it is ready. It is told to stop when ctx ends; after patience it is killed.
func startChild(ctx context.Context, args, env []string, patience time.Duration, stderr io.Writer) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.CommandContext(ctx, self, args...), ended: make(chan struct{})}
	c.cmd.Env, c.cmd.Stderr, c.cmd.WaitDelay = env, stderr, patience
	c.cmd.Cancel = func() error { return c.cmd.Process.Signal(os.Interrupt) }
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	ready := make(chan string, 1)
	go func() {
		defer close(c.ended)
		for scan := bufio.NewScanner(out); scan.Scan(); {
			if m := servesOn.FindStringSubmatch(scan.Text()); m != nil {
				ready <- m[1]
				break
			}
		}
		_, _ = io.Copy(io.Discard, out)
		c.reason = c.cmd.Wait()
	}()
	select {
	case c.base = <-ready:
		return c, nil
	case <-c.ended:
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("'%s' ended before it was ready: %w", args[0], cmp.Or(c.reason, io.EOF))
	}
}

// stop sends the process a signal and returns why it has ended.
func (c *child) stop(sig os.Signal) error {
	_ = c.cmd.Process.Signal(sig)
	<-c.ended
	return c.reason
}

// ownServer is a server that runs in processes of its own.
type ownServer struct {
	children []*child
	what     string // it consists of
}

// startServer starts a server with the settings on a free port: a 'serve', or an
// 'api' and so many 'work' processes. It sends no SMS and moves no money: who uses it is
// invented, and their numbers may be somebody's.
func startServer(ctx context.Context, s config.Settings, workers int, stderr io.Writer) (*ownServer, error) {
	s.Addr, s.MetricsAddr, s.SMS, s.PayGateway = "127.0.0.1:0", "", config.LogSMS, config.SandboxPay
	commands, o := []string{"serve"}, &ownServer{what: "one process of its own"}
	if workers > 0 {
		commands = append([]string{"api"}, strings.Fields(strings.Repeat("work ", workers))...)
		o.what = fmt.Sprintf("an api and %d work processes of its own", workers)
	}
	for _, command := range commands {
		c, err := startChild(ctx, []string{command}, append(os.Environ(), s.Environ()...), s.StopTimeout+5*time.Second, stderr)
		if err != nil {
			return nil, errors.Join(err, o.stop())
		}
		o.children = append(o.children, c)
	}
	return o, nil
}

// base returns the address of the API.
func (o *ownServer) base() string { return o.children[0].base }

// stop stops all processes, those that bring work in first.
func (o *ownServer) stop() (err error) {
	for _, c := range o.children {
		err = errors.Join(err, c.stop(os.Interrupt))
	}
	return err
}
