package roads

// source stands before the first node of a stream; none is no node.
const (
	none   = -1
	source = -2
)

// flow is a set of streams from some nodes of a part to some others that share no node
// (Ford and Fulkerson; Menger). Every node has an entry and an exit, and the stream
// through it leads from the one to the other.
type flow[W weight] struct {
	part[W]
	begins []int32
	ends   []bool
	before []int32 // the node before on the stream through a node, source or none
	// How a search came to the entry and to the exit of a node: from the exit of which
	// node, and from the entry of which; none if it did not.
	entry, exit []int32
	queue       []int32 // entries as v, exits as ^v
}

func newFlow[W weight](p part[W], begins, ends []int32) *flow[W] {
	n := len(p.nodes)
	f := &flow[W]{
		part: p, begins: begins, ends: make([]bool, n),
		before: make([]int32, n), entry: make([]int32, n), exit: make([]int32, n),
	}
	for v := range f.before {
		f.before[v] = none
	}
	for _, v := range ends {
		f.ends[v] = true
	}
	return f
}

// grow adds one more stream, for which others may be led another way. It reports
// whether there was room for one.
func (f *flow[W]) grow() bool {
	for v := range f.entry {
		f.entry[v], f.exit[v] = none, none
	}
	f.queue = f.queue[:0]
	for _, v := range f.begins {
		f.reachEntry(v, source)
	}
	for i := 0; i < len(f.queue); i++ {
		v := f.queue[i]
		switch {
		case v < 0 && f.ends[^v]:
			f.reroute(^v)
			return true
		case v < 0:
			f.leave(^v)
		case f.before[v] == none:
			f.reachExit(v, v)
		case f.before[v] != source: // the stream that is here gives way
			f.reachExit(f.before[v], v)
		}
	}
	return false
}

func (f *flow[W]) reachEntry(v, from int32) {
	if f.entry[v] == none {
		f.entry[v] = from
		f.queue = append(f.queue, v)
	}
}

func (f *flow[W]) reachExit(v, from int32) {
	if f.exit[v] == none {
		f.exit[v] = from
		f.queue = append(f.queue, ^v)
	}
}

// leave goes on from the exit of v.
func (f *flow[W]) leave(v int32) {
	for _, l := range f.links[v] {
		f.reachEntry(l.to, v)
	}
	if f.before[v] != none { // the stream through v gives way altogether
		f.reachEntry(v, v)
	}
}

// reroute leads a stream along the way that was found to the exit of last.
func (f *flow[W]) reroute(last int32) {
	for v := last; v != source; {
		u := f.exit[v]
		v = f.entry[u]
		f.before[u] = v
		if v == u {
			f.before[u] = none
		}
	}
}

// cut returns, when grow has found no room, the fewest nodes that part the beginnings
// from the ends, those that are joined to the beginnings without them, and the others.
func (f *flow[W]) cut() (cut, first, second []int32) {
	for v := range int32(len(f.nodes)) {
		switch {
		case f.exit[v] != none:
			first = append(first, v)
		case f.entry[v] != none:
			cut = append(cut, v)
		default:
			second = append(second, v)
		}
	}
	return cut, first, second
}
