package roads

// dijkstra returns the best ways from a node to all others, far where there is none.
func dijkstra[W weight](g graph[W], from int32) []W {
	best := make([]W, g.nodes())
	for v := range best {
		best[v] = far[W]()
	}
	best[from] = 0
	for frontier := (queue[W]{{0, from}}); len(frontier) > 0; {
		at := frontier.pop()
		if at.w > best[at.node] {
			continue
		}
		for a := g.first[at.node]; a < g.first[at.node+1]; a++ {
			if u, w := g.to[a], at.w+g.w[a]; w < best[u] {
				best[u] = w
				frontier.push(reached[W]{w, u})
			}
		}
	}
	return best
}
