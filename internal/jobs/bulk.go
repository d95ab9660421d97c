package jobs

import (
	"errors"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Scripts that do to many tasks of one queue in one call what asynq's do to one:
// for Redis and its client a call costs more than what it does. They leave in
// Redis what asynq's would leave, which a test compares. What differs are counters
// beyond 2^63, tasks whose keys contradict each other, and that a task keeps the time
// since when it was pending, which is read only while it is.

// take is what both scripts that take tasks do, with the keys of asynq's script that
// takes one.
const take = `
local function take(expiry, prefix, most)
	if redis.call("EXISTS", KEYS[2]) == 1 then
		return {}
	end
	local tail = redis.call("LRANGE", KEYS[1], -most, -1)
	if #tail == 0 then
		return {}
	end
	local ids, leases, taken, known = {}, {}, {}, {}
	for i = #tail, 1, -1 do
		local id = tail[i]
		local key = prefix .. id
		redis.call("HSET", key, "state", "active")
		ids[#ids + 1] = id
		leases[#leases + 1] = expiry
		leases[#leases + 1] = id
		local msg = redis.call("HGET", key, "msg")
		if msg then
			taken[#taken + 1] = msg
			known[#known + 1] = id
		end
	end
	redis.call("LTRIM", KEYS[1], 0, -#tail - 1)
	redis.call("LPUSH", KEYS[3], unpack(ids))
	redis.call("ZADD", KEYS[4], unpack(leases))
	for i = 1, #known do
		taken[#taken + 1] = known[i]
	end
	return taken
end
`

var (
	// enqueueAll takes the keys of asynq's script that takes one task, and the tasks'
	// keys; the time, the channel and name under which the work is announced, what
	// take is told, and each task's message and id. It returns 1 for each task, or 0
	// where the key was there already; and what it took for a worker that waits, if
	// it was told of one. What is taken at once is not announced.
	enqueueAll = redis.NewScript(take + `
local said, ids, taken = {}, {}, {}
for i = 5, #KEYS do
	local at = 7 + (i - 5) * 2
	if redis.call("EXISTS", KEYS[i]) == 1 then
		said[i - 4] = 0
	else
		redis.call("HSET", KEYS[i], "msg", ARGV[at], "state", "pending", "pending_since", ARGV[1])
		ids[#ids + 1] = ARGV[at + 1]
		said[i - 4] = 1
	end
end
if #ids > 0 then
	redis.call("LPUSH", KEYS[1], unpack(ids))
end
local room = tonumber(ARGV[6])
if room > 0 then
	taken = take(ARGV[4], ARGV[5], room)
end
if #ids > 0 and (room == 0 or redis.call("EXISTS", KEYS[1]) == 1) then
	redis.pcall("PUBLISH", ARGV[2], ARGV[3])
end
return {said, taken}`)

	// takeAll takes the keys and arguments of asynq's script that takes one task,
	// and how many to take. It returns their messages, then their ids.
	takeAll = redis.NewScript(take + `return take(ARGV[1], ARGV[2], ARGV[3])`)

	// completeAll takes the keys of asynq's script that completes one task, the
	// task's own moved to the end and followed by the others', and the arguments of
	// all calls of it. It returns 1 for each, or 0 for a task that is not active.
	completeAll = redis.NewScript(`
local said, done, ids = {}, {}, {}
for i = 6, #KEYS do
	local at = (i - 6) * 5
	local id = ARGV[at + 1]
	if redis.call("LREM", KEYS[1], -1, id) == 0 then
		said[i - 5] = 0
	else
		redis.call("HSET", KEYS[i], "msg", ARGV[at + 4], "state", "completed")
		done[#done + 1] = ARGV[at + 3]
		done[#done + 1] = id
		ids[#ids + 1] = id
		said[i - 5] = 1
	end
end
local n = #ids
if n > 0 then
	redis.call("ZREM", KEYS[2], unpack(ids))
	redis.call("ZADD", KEYS[3], unpack(done))
	if redis.call("INCRBY", KEYS[4], n) == n then
		redis.call("EXPIREAT", KEYS[4], ARGV[2])
	end
	redis.call("INCRBY", KEYS[5], n)
end
return said`)
)

// putBack makes a task that was taken the next to be taken again, as asynq does
// with one that it cannot end. It takes the pending and active lists, the leases,
// the task's key, and its id.
var putBack = redis.NewScript(`
if redis.call("LREM", KEYS[2], -1, ARGV[1]) == 0 then
	return 0
end
redis.call("ZREM", KEYS[3], ARGV[1])
redis.call("RPUSH", KEYS[1], ARGV[1])
redis.call("HSET", KEYS[4], "state", "pending")
return 1`)

// taskKeyAt is where asynq's script that completes a task has the task's key.
const taskKeyAt = 3

// completes reports whether a call is of that script, which is known by its keys.
func (s *script) completes() bool {
	return len(s.keys) == 6 && strings.HasSuffix(s.keys[2], ":completed")
}

// queueKeys returns the keys of such a call that are not the task's.
func (s *script) queueKeys() []string {
	return slices.Concat(s.keys[:taskKeyAt], s.keys[taskKeyAt+1:])
}

// together returns the keys and arguments of completeAll for calls of one queue.
func together(calls []*script) (keys []string, args []any) {
	keys = slices.Grow(calls[0].queueKeys(), len(calls))
	args = make([]any, 0, len(calls)*len(calls[0].args))
	for _, s := range calls {
		keys = append(keys, s.keys[taskKeyAt])
		args = append(args, s.args...)
	}
	return keys, args
}

// answer hands each call its part of what completeAll said.
func answer(calls []*script, cmd *redis.Cmd) {
	said, err := cmd.Int64Slice()
	for i, s := range calls {
		switch {
		case err != nil:
			s.cmd.SetErr(err)
		case said[i] == 0:
			s.cmd.SetErr(errNotFound)
		default:
			s.cmd.SetVal("OK")
		}
	}
}

// errNotFound is what asynq's script says of a task that is not active.
var errNotFound = errors.New("NOT FOUND")
