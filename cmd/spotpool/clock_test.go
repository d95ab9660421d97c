package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spotpool/spotpool/internal/jobs/jobstest"
	"github.com/spotpool/spotpool/internal/sim"
)

// At great speed the demo's cars bring people home, and their drivers are paid, while
// somebody watches.
func TestTheDemoDrivesAndSettlesWithinMinutes(t *testing.T) {
	at := append(where(t), "--dispute-window", "30m")
	p := launch(t, append([]string{"demo", "--clock-speed", "200"}, at...)...)
	operator := sim.NewClient(p.base, nil).As(token(t, at, "operator", "+8613900000000"))
	await(t, "orders are completed", 2*jobstest.Deadline, func() (bool, string) {
		n, err := tally(t.Context(), operator)
		return err == nil && n["completed"] > 3, fmt.Sprint(n, err)
	})
	await(t, "drivers are paid", 2*jobstest.Deadline, func() (bool, string) {
		var paid int64
		err := beside(t, at, func(a *app) error {
			return a.db.Read(t.Context()).Table("settlements").Where("paid_at IS NOT NULL AND share > 0").Count(&paid).Error
		})
		return err == nil && paid > 0, fmt.Sprint(paid, err)
	})
	p.stop()
	audit(t, at)
}

// All commands have the clock that 'migrate' has begun; none but those that bring the
// database up to date change it.
func TestTheClockIsTheDatabases(t *testing.T) {
	at := where(t)
	for _, step := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"migrate"}, exitOK, ""},
		{[]string{"audit", "--clock-speed", "60"}, exitUsage, "1× in this database, not 60×"},
		{[]string{"audit", "--clock-speed", "1"}, exitOK, ""},
		{[]string{"migrate", "--clock-speed", "60"}, exitOK, ""},
		{[]string{"audit"}, exitOK, ""},
		{[]string{"audit", "--clock-speed", "60"}, exitOK, ""},
		{[]string{"audit", "--clock-speed", "1"}, exitUsage, "60× in this database, not 1×"},
		{[]string{"migrate", "--clock-speed", "1"}, exitOK, ""},
		{[]string{"audit", "--clock-speed", "1"}, exitOK, ""},
	} {
		code, _, errs := command(t, append(step.args, at...)...)
		if code != step.code || !strings.Contains(errs, step.says) || strings.Count(errs, "\n") > 1 {
			t.Errorf("%v: exit %d, %q; want %d and what says %q", step.args, code, errs, step.code, step.says)
		}
	}
}

// A server whose clock is changed under it says so and ends.
func TestAServerEndsWhenItsClockIsChanged(t *testing.T) {
	at := where(t)
	if code, _, errs := command(t, append([]string{"migrate", "--clock-speed", "60"}, at...)...); code != exitOK {
		t.Fatal(errs)
	}
	var code int
	var errs string
	ended, ready := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		var said strings.Builder
		code = run(t.Context(), append([]string{"serve", "--addr", "127.0.0.1:0"}, at...), onWrite(func() { close(ready) }), &said)
		errs = said.String()
	}()
	<-ready
	if code, _, errs := command(t, append([]string{"migrate", "--clock-speed", "20"}, at...)...); code != exitOK {
		t.Fatal(errs)
	}
	await(t, "the server ends", jobstest.Deadline, func() (bool, string) {
		select {
		case <-ended:
			return true, ""
		default:
			return false, "it runs"
		}
	})
	if code != exitFailed || !strings.Contains(errs, "start this one again") {
		t.Errorf("exit %d, %q", code, errs)
	}
}

// Beside a provider that sends real SMS no process runs at another speed than the world's,
// whoever has begun the clock.
func TestNoRealSMSWhileTimeRunsFast(t *testing.T) {
	at := where(t)
	t.Setenv("SPOTPOOL_TWILIO_TOKEN", "a token")
	real := []string{"--sms", "twilio", "--twilio-account", "AC1", "--twilio-from", "MG1"}
	if code, _, errs := command(t, append([]string{"migrate", "--clock-speed", "60"}, at...)...); code != exitOK {
		t.Fatal(errs)
	}
	for _, args := range [][]string{
		{"serve", "--clock-speed", "60"}, {"serve"}, {"migrate", "--clock-speed", "60"}, {"token", "--phone", "+8613900000000"},
	} {
		code, out, errs := command(t, append(append(args, real...), at...)...)
		if code != exitUsage || out != "" || !strings.Contains(errs, "--clock-speed") || strings.Count(errs, "\n") != 1 {
			t.Errorf("%v: exit %d, %q, %q", args, code, out, errs)
		}
	}
}

// onWrite is a writer that calls itself at the first write.
func onWrite(first func()) *firstWrite { return &firstWrite{first} }

type firstWrite struct{ then func() }

func (w *firstWrite) Write(p []byte) (int, error) {
	if w.then != nil {
		w.then()
		w.then = nil
	}
	return len(p), nil
}
