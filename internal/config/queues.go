package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// QueueWeights returns the queues with their weights.
func (s Settings) QueueWeights() (map[string]int, error) {
	weights := map[string]int{}
	for _, part := range strings.Split(s.Queues, ",") {
		name, text, ok := strings.Cut(strings.TrimSpace(part), "=")
		n := 1
		if ok {
			var err error
			if n, err = strconv.Atoi(text); err != nil || n < 1 {
				return nil, fmt.Errorf("--queues: the weight of %q must be a whole number from 1 up", name)
			}
		}
		if name == "" {
			return nil, fmt.Errorf("--queues: want name=weight,…")
		}
		weights[name] = n
	}
	return weights, nil
}

// checkQueues refuses a queue that no job goes to: whoever mistypes a name would leave
// the right one without a worker.
func (s Settings) checkQueues() error {
	weights, err := s.QueueWeights()
	if err != nil {
		return err
	}
	known := Settings{Queues: allQueues()}.QueueNames()
	for _, name := range slices.Sorted(maps.Keys(weights)) {
		if !slices.Contains(known, name) {
			return fmt.Errorf("--queues: no job goes to a queue %q; there are %s", name, strings.Join(known, ", "))
		}
	}
	return nil
}

// allQueues returns the default of --queues, which names all there are.
func allQueues() string {
	for f := range fields() {
		if f.flag == "queues" {
			return f.def
		}
	}
	return ""
}

// QueueNames returns the names of the queues in order.
func (s Settings) QueueNames() []string {
	weights, err := s.QueueWeights()
	if err != nil {
		return nil // check has said so
	}
	return slices.Sorted(maps.Keys(weights))
}

// goodQueue is what a queue may be called in --queue-redis.
var goodQueue = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

// QueueTargets returns the addresses of the queues that have a Redis of their
// own. An address may hold commas itself: a part that names no queue belongs to
// the address before it.
func (s Settings) QueueTargets() (map[string]string, error) {
	targets := map[string]string{}
	last := ""
	for _, part := range strings.Split(s.QueueRedis, ",") {
		name, target, ok := strings.Cut(strings.TrimSpace(part), "=")
		switch {
		case s.QueueRedis == "":
		case ok && goodQueue.MatchString(name):
			if targets[name] != "" {
				return nil, fmt.Errorf("--queue-redis: the queue %q is named twice", name)
			}
			if target == "" {
				return nil, fmt.Errorf("--queue-redis: the queue %q has no address", name)
			}
			targets[name], last = target, name
		case last == "":
			return nil, fmt.Errorf("--queue-redis: want name=address,…")
		default:
			targets[last] += "," + part
		}
	}
	return targets, nil
}
