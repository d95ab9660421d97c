package jobs

import (
	"errors"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// bulk does to many tasks of one queue in one call what a script of asynq does to
// one: for Redis and its client a call costs more than what it does. It leaves in
// Redis what the single calls would leave, which a test compares.
type bulk struct {
	script *redis.Script
	task   int    // which of the single call's keys is the task's
	news   string // the channel where the script announces that the queue got work
	none   error  // the answer to a call of which the script says 0
}

// The keys of a bulk script are those of asynq's without the task's, then the
// tasks'; its arguments are those of the single calls, one after another, and where
// it announces work, the channel and the queue's name.
var (
	enqueueAll = &bulk{task: 0, news: workChannel, script: redis.NewScript(`
local said, ids = {}, {}
for i = 2, #KEYS do
	local at = (i - 2) * 3
	if redis.call("EXISTS", KEYS[i]) == 1 then
		said[i - 1] = 0
	else
		redis.call("HSET", KEYS[i], "msg", ARGV[at + 1], "state", "pending", "pending_since", ARGV[at + 3])
		ids[#ids + 1] = ARGV[at + 2]
		said[i - 1] = 1
	end
end
if #ids > 0 then
	redis.call("LPUSH", KEYS[1], unpack(ids))
	redis.call("PUBLISH", ARGV[#ARGV - 1], ARGV[#ARGV])
end
return said`)}

	completeAll = &bulk{task: 3, none: errors.New("NOT FOUND"), script: redis.NewScript(`
local said, done = {}, {}
for i = 6, #KEYS do
	local at = (i - 6) * 5
	local id = ARGV[at + 1]
	if redis.call("LREM", KEYS[1], -1, id) == 0 or redis.call("ZREM", KEYS[2], id) == 0 then
		said[i - 5] = 0
	else
		redis.call("HSET", KEYS[i], "msg", ARGV[at + 4], "state", "completed")
		done[#done + 1] = ARGV[at + 3]
		done[#done + 1] = id
		said[i - 5] = 1
	end
end
local n = #done / 2
if n > 0 then
	redis.call("ZADD", KEYS[3], unpack(done))
	if redis.call("INCRBY", KEYS[4], n) == n then
		redis.call("EXPIREAT", KEYS[4], ARGV[2])
	end
	redis.call("INCRBY", KEYS[5], n)
end
return said`)}

	// takeAll has a third argument: how many tasks to take. It returns
	// their messages, then their ids.
	takeAll = redis.NewScript(`
local taken = {}
if redis.call("EXISTS", KEYS[2]) == 1 then
	return taken
end
local n = tonumber(ARGV[3])
local tail = redis.call("LRANGE", KEYS[1], -n, -1)
n = #tail
if n == 0 then
	return taken
end
local ids, leases, msgs = {}, {}, {}
for i = n, 1, -1 do
	local id = tail[i]
	local key = ARGV[2] .. id
	redis.call("HSET", key, "state", "active")
	redis.call("HDEL", key, "pending_since")
	ids[#ids + 1] = id
	leases[#leases + 1] = ARGV[1]
	leases[#leases + 1] = id
	msgs[#msgs + 1] = redis.call("HGET", key, "msg")
end
redis.call("LTRIM", KEYS[1], 0, -n - 1)
redis.call("LPUSH", KEYS[3], unpack(ids))
redis.call("ZADD", KEYS[4], unpack(leases))
local known = {}
for i = 1, n do
	if msgs[i] then
		taken[#taken + 1] = msgs[i]
		known[#known + 1] = ids[i]
	end
end
for i = 1, #known do
	taken[#taken + 1] = known[i]
end
return taken`)
)

// bulk returns what does a call together with others, or nil. asynq's scripts are
// known by their keys.
func (s *script) bulk() *bulk {
	switch n := len(s.keys); {
	case n == 2 && strings.Contains(s.keys[0], "}:t:") && strings.HasSuffix(s.keys[1], ":pending"):
		return enqueueAll
	case n == 6 && strings.HasSuffix(s.keys[2], ":completed"):
		return completeAll
	}
	return nil
}

// queueKeys returns the keys of a call that are not the task's.
func (b *bulk) queueKeys(s *script) []string {
	return slices.Concat(s.keys[:b.task], s.keys[b.task+1:])
}

// call is what makes calls that have all but their task in common.
func (b *bulk) call(calls []*script) (keys []string, args []any) {
	keys = slices.Grow(b.queueKeys(calls[0]), len(calls))
	args = make([]any, 0, len(calls)*len(calls[0].args)+2)
	for _, s := range calls {
		keys = append(keys, s.keys[b.task])
		args = append(args, s.args...)
	}
	if b.news != "" {
		args = append(args, b.news, queueOf(keys[0]))
	}
	return keys, args
}

// answer hands each call its part of what the script said.
func (b *bulk) answer(calls []*script, cmd *redis.Cmd) {
	said, err := cmd.Int64Slice()
	if err == nil && len(said) != len(calls) {
		err = errors.New("jobs: a bulk script answered too little")
	}
	for i, s := range calls {
		switch {
		case err != nil:
			s.cmd.SetErr(err)
		case said[i] == 0 && b.none != nil:
			s.cmd.SetErr(b.none)
		default:
			s.cmd.SetVal(said[i])
		}
	}
}

// queueOf returns the queue whose key it is.
func queueOf(key string) string {
	_, rest, _ := strings.Cut(key, "{")
	queue, _, _ := strings.Cut(rest, "}")
	return queue
}
