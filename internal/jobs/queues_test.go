package jobs_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

// interlude calls a function once, when Redis has answered a command of that name,
// or just before it hears of it.
type interlude struct {
	command string
	before  bool
	call    func()
	called  atomic.Bool
}

func (i *interlude) hook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		named := func(cmd redis.Cmder) bool { return cmd.Name() == i.command }
		if !slices.ContainsFunc(cmds, named) || !i.called.CompareAndSwap(false, true) {
			return next(ctx, cmds)
		}
		if i.before {
			i.call()
			return next(ctx, cmds)
		}
		defer i.call()
		return next(ctx, cmds)
	}
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
		"continue before a mark is made anew":  {[]step{pause}, true, "before set", []step{goOn}, false},
		"pause anew before a mark is made":     {[]step{pause}, true, "before set", []step{goOn, pause}, true},
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
			command, before := strings.CutPrefix(c.command, "before ")
			meanwhile := &interlude{command: command, before: before, call: func() { run(c.meanwhile) }}
			h.System.Redis().AddHook(between(meanwhile.hook))
			if err := h.System.RestoreQueues(t.Context(), "q"); err != nil {
				t.Fatal(err)
			}
			if c.meanwhile != nil && !meanwhile.called.Load() {
				t.Fatal("nothing came meanwhile")
			}
			v, err := admin.Queues(t.Context(), "q")
			if err != nil || v[0].Paused != c.want {
				t.Errorf("paused %v, %v; want %v", v[0].Paused, err, c.want)
			}
		})
	}
}
