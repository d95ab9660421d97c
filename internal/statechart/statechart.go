// Package statechart holds the state machines in docs/architecture.md against those of
// the code. It serves tests.
package statechart

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	arrow = regexp.MustCompile(`(?m)^    (\S+) --> (\S+)$`)
	row   = regexp.MustCompile(`(?m)^\| ([a-z_, ]+) \| ([a-z_, ]+) \|`)
)

// State is a state that has a name.
type State interface {
	comparable
	fmt.Stringer
}

// Described fails the test unless the section of the document with the title has a
// chart of just these transitions, from first on, and a table that has each of them.
// It prints the chart that the section lacks.
func Described[S State](t testing.TB, title string, first S, next map[S][]S) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(raw), "\n### "+title+"\n")
	section, _, _ = strings.Cut(section, "\n##")
	if !found {
		t.Fatalf("docs/architecture.md has no section %q", title)
	}
	want := []string{"[*] --> " + first.String()}
	for from, all := range next {
		for _, to := range all {
			want = append(want, from.String()+" --> "+to.String())
		}
	}
	var drawn, listed []string
	for _, m := range arrow.FindAllStringSubmatch(section, -1) {
		drawn = append(drawn, m[1]+" --> "+m[2])
	}
	for _, m := range row.FindAllStringSubmatch(section, -1) {
		for _, from := range strings.Split(m[1], ", ") {
			for _, to := range strings.Split(m[2], ", ") {
				listed = append(listed, from+" --> "+to)
			}
		}
	}
	slices.Sort(want)
	slices.Sort(drawn)
	if !slices.Equal(drawn, want) {
		t.Errorf("the chart of %q in docs/architecture.md is\n%s\nwant\n%s", title, strings.Join(drawn, "\n"), strings.Join(want, "\n"))
	}
	for _, w := range want {
		if !strings.HasPrefix(w, "[*]") && !slices.Contains(listed, w) {
			t.Errorf("the table of %q in docs/architecture.md lacks %s", title, w)
		}
	}
}

// Word is a state that is its own name.
type Word string

func (w Word) String() string { return string(w) }

// Words are the transitions of states that are their own names.
func Words[S ~string](next map[S][]S) map[Word][]Word {
	words := map[Word][]Word{}
	for from, all := range next {
		for _, to := range all {
			words[Word(from)] = append(words[Word(from)], Word(to))
		}
	}
	return words
}
