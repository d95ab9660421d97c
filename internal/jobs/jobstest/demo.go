package jobstest

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
)

// Demo returns a harness as NewSync does, for an Example, which has no test to
// belong to, and what ends it. Whatever would fail a test panics.
func Demo() (h *Harness, end func()) {
	d := &demo{}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return NewSync(d), d.end
}

// demo is the part of a test that a harness needs.
type demo struct {
	testing.TB
	ctx      context.Context
	cancel   context.CancelFunc
	cleanups []func()
}

func (d *demo) end() {
	d.cancel()
	for _, fn := range slices.Backward(d.cleanups) {
		fn()
	}
}

func (d *demo) Helper()                   {}
func (d *demo) Context() context.Context  { return d.ctx }
func (d *demo) Cleanup(fn func())         { d.cleanups = append(d.cleanups, fn) }
func (d *demo) Error(args ...any)         { panic(fmt.Sprint(args...)) }
func (d *demo) Errorf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }
func (d *demo) Fatal(args ...any)         { panic(fmt.Sprint(args...)) }
func (d *demo) Fatalf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }

func (d *demo) TempDir() string {
	dir, err := os.MkdirTemp("", "spotpool")
	if err != nil {
		d.Fatal(err)
	}
	d.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
