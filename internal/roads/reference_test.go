package roads

import (
	"cmp"
	"container/heap"
)

// dijkstra returns the best ways from a node to all others, far where there is none.
func dijkstra[W weight](g graph[W], from int32) []W {
	best := make([]W, g.nodes())
	for v := range best {
		best[v] = far[W]()
	}
	best[from] = 0
	for queue := (frontier[W]{{0, from}}); len(queue) > 0; {
		at := heap.Pop(&queue).(reached[W])
		if at.w > best[at.node] {
			continue
		}
		for a := g.first[at.node]; a < g.first[at.node+1]; a++ {
			if u, w := g.to[a], at.w+g.w[a]; w < best[u] {
				best[u] = w
				heap.Push(&queue, reached[W]{w, u})
			}
		}
	}
	return best
}

type reached[W weight] struct {
	w    W
	node int32
}

type frontier[W weight] []reached[W]

func (f frontier[W]) Len() int           { return len(f) }
func (f frontier[W]) Less(i, j int) bool { return cmp.Less(f[i].w, f[j].w) }
func (f frontier[W]) Swap(i, j int)      { f[i], f[j] = f[j], f[i] }
func (f *frontier[W]) Push(x any)        { *f = append(*f, x.(reached[W])) }
func (f *frontier[W]) Pop() any {
	last := len(*f) - 1
	x := (*f)[last]
	*f = (*f)[:last]
	return x
}
