package jobs_test

import (
	"context"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

// after calls its function once, when Redis has answered a command of that name.
type after struct {
	command string
	call    func()
}

func (a *after) DialHook(next redis.DialHook) redis.DialHook { return next }

func (a *after) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if call := a.call; call != nil && cmd.Name() == a.command {
			a.call = nil
			call()
		}
		return err
	}
}

func (a *after) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// Pauses and continues that come while the sweep compares pauses stand.
func TestTheSweepLeavesAPauseThatComesMeanwhile(t *testing.T) {
	type step func(context.Context, *jobs.Admin) error
	pause := func(ctx context.Context, a *jobs.Admin) error { return a.Pause(ctx, "q") }
	goOn := func(ctx context.Context, a *jobs.Admin) error { _, err := a.Continue(ctx, "q"); return err }
	for name, c := range map[string]struct {
		before    []step
		lostRedis bool // after that
		command   string
		meanwhile []step
		want      bool
	}{
		"pause before the look at Redis":       {nil, false, "sadd", []step{pause}, true},
		"continue before the look at Redis":    {[]step{pause}, false, "sadd", []step{goOn}, false},
		"pause after the look at Redis":        {nil, false, "get", []step{pause}, true},
		"continue after the look at Redis":     {[]step{pause}, false, "get", []step{goOn}, false},
		"continue and pause after that look":   {[]step{pause}, false, "get", []step{goOn, pause}, true},
		"continue after a mark was made anew":  {[]step{pause}, true, "set", []step{goOn}, false},
		"pause anew after a mark was made":     {[]step{pause}, true, "set", []step{goOn, pause}, true},
		"nothing meanwhile, Redis was emptied": {[]step{pause}, true, "none", nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := jobstest.New(t)
			admin := h.System.Admin()
			run := func(steps []step) {
				for _, s := range steps {
					if err := s(t.Context(), admin); err != nil {
						t.Error(err)
					}
				}
			}
			run(c.before)
			if c.lostRedis {
				if err := h.System.Redis().FlushDB(t.Context()).Err(); err != nil {
					t.Fatal(err)
				}
			}
			hook := &after{c.command, func() { run(c.meanwhile) }}
			h.System.Redis().AddHook(hook)
			if err := h.System.RestoreQueues(t.Context(), "q"); err != nil {
				t.Fatal(err)
			}
			if c.meanwhile != nil && hook.call != nil {
				t.Fatal("nothing came meanwhile")
			}
			v, err := admin.Queues(t.Context(), "q")
			if err != nil || v[0].Paused != c.want {
				t.Errorf("paused %v, %v; want %v", v[0].Paused, err, c.want)
			}
		})
	}
}
