package jobs_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The tests here hold docs/queue.md and its Chinese twin true where a program
// can: that each row of what Laravel's queue can do has its section in both, and
// that what they name is there.

// queueDocs are the two, with the words that begin the parts of a section.
var queueDocs = []struct {
	path  string
	parts []string
}{
	{"docs/queue.md", []string{"**In Laravel:**", "**Here:**", "**Guaranteed:**"}},
	{"docs/queue.zh-CN.md", []string{"**Laravel：**", "**这里：**", "**保证：**"}},
}

// queueRows are the sections, in their order.
var queueRows = []string{
	"dispatch", "dispatch after commit", "delay", "custom queue", "custom connection", "sync dispatch",
	"chain", "chain catch", "batch with then / catch / finally / progress", "adding jobs from inside a batch",
	"cancelling a batch", "allow failures", "chain inside a batch, batch inside a chain", "pruning",
	"tries", "max exceptions", "retry until", "backoff (fixed, list, function)", "timeout", "attempts()", "release", "fail",
	"job middleware, per job kind and global", "rate limit (release or skip)", "without overlapping (with expiry)",
	"throttle exceptions (circuit breaker)", "skip if batch cancelled", "unique, unique until processing",
	"encrypted payload / arguments", "models by primary key, missing model deletes or fails",
	"failed jobs table", "per-kind failed hook", "global failure hook", "retry / forget / flush / prune of failed jobs",
	"priorities, strict and weighted", "worker options", "graceful stop", "pause and continue a queue", "monitor",
	"tags", "queue events",
}

const repo = "../../"

func readDoc(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(repo + path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// sources returns the text of the program's Go files by path, and with it that of
// its tests.
func sources(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, root := range []string{"cmd", "internal"} {
		err := filepath.WalkDir(repo+root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
				return err
			}
			raw, err := os.ReadFile(path)
			texts[strings.TrimPrefix(filepath.ToSlash(path), repo)] = string(raw)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return texts
}

// all returns what the expression's only group matches, each once.
func all(expression, text string) []string {
	var found []string
	for _, m := range regexp.MustCompile(expression).FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func TestQueueDocsHaveASectionForEveryRow(t *testing.T) {
	for _, d := range queueDocs {
		sections := strings.Split(strings.Split(readDoc(t, d.path), "\n## ")[2], "\n### ")[1:]
		if len(sections) != len(queueRows) {
			t.Errorf("%s has %d sections, want %d", d.path, len(sections), len(queueRows))
		}
		for i, row := range queueRows[:min(len(queueRows), len(sections))] {
			title, text, _ := strings.Cut(sections[i], "\n")
			if title != row && !strings.HasSuffix(title, "（"+row+"）") {
				t.Errorf("%s: section %d is %q, want %q", d.path, i+1, title, row)
			}
			at := -1
			for _, part := range d.parts {
				next := strings.Index(text, part)
				if next <= at || strings.Count(text, part) != 1 {
					t.Errorf("%s: %q has no %s where it belongs", d.path, row, part)
				}
				at = next
			}
			if len(all("`((?:Example_|Test)[A-Za-z]+)`", text)) == 0 {
				t.Errorf("%s: %q names no example", d.path, row)
			}
		}
	}
}

func TestQueueDocsNameEveryExample(t *testing.T) {
	for _, d := range queueDocs {
		text := readDoc(t, d.path)
		for _, p := range parity {
			if p.shown != "Example_effect" && !strings.Contains(text, "`"+p.shown+"`") {
				t.Errorf("%s does not name %s, which shows %q", d.path, p.shown, p.row)
			}
		}
	}
}

func TestQueueDocsNameOnlyWhatIsThere(t *testing.T) {
	texts := sources(t)
	paths, code := slices.Collect(maps.Keys(texts)), strings.Join(slices.Collect(maps.Values(texts)), "\n")
	for _, d := range queueDocs {
		text := readDoc(t, d.path)
		for _, name := range all("`((?:Example_|Test)[A-Za-z]+)`", text) {
			if !strings.Contains(code, "func "+name+"(") {
				t.Errorf("%s: there is no %s", d.path, name)
			}
		}
		for _, name := range all("`(spotpool_[a-z_]+)`", text) {
			if !strings.Contains(code, `"`+name+`"`) {
				t.Errorf("%s: there is no metric %s", d.path, name)
			}
		}
		for _, path := range all("`((?:internal|cmd)/[A-Za-z0-9_/.-]+)`", text) {
			if _, err := os.Stat(repo + path); err != nil {
				t.Errorf("%s: %v", d.path, err)
			}
		}
		for _, file := range all("`([a-z_]+\\.go)`", text) {
			if !slices.ContainsFunc(paths, func(path string) bool { return strings.HasSuffix(path, "/"+file) }) {
				t.Errorf("%s: there is no %s", d.path, file)
			}
		}
		for _, link := range all(`\]\(([^)#:]+)[^)]*\)`, text) {
			if _, err := os.Stat(filepath.Join(repo, "docs", link)); err != nil {
				t.Errorf("%s: %v", d.path, err)
			}
		}
	}
}

// ofOthers are flags that are named as Laravel's.
var ofOthers = []string{"sleep"}

func TestQueueDocsNameCommandsAndFlagsThatExist(t *testing.T) {
	known := ""
	for path, text := range sources(t) {
		if strings.HasPrefix(path, "cmd/spotpool/") || strings.HasPrefix(path, "internal/config/") {
			known += text
		}
	}
	for _, d := range queueDocs {
		text := readDoc(t, d.path)
		flags := all("`--([a-z-]+)", text)
		for _, line := range all(`(?m)^(.*\./spotpool .*)$`, text) {
			line, _, _ = strings.Cut(line, " | ")
			flags = append(flags, all(` --([a-z-]+)`, line)...)
			for _, command := range all(`\./spotpool queue ([a-z-]+)`, line) {
				if !regexp.MustCompile(`"` + command + `[" ]`).MatchString(known) {
					t.Errorf("%s: there is no command 'queue %s'", d.path, command)
				}
			}
		}
		for _, flag := range flags {
			if !strings.Contains(known, `"`+flag+`"`) && !slices.Contains(ofOthers, flag) {
				t.Errorf("%s: there is no flag --%s", d.path, flag)
			}
		}
	}
}

// blocks returns what stands in fences of a language, without the words of the
// comments of a shell, which are in the document's language.
func blocks(text, language string) []string {
	var found []string
	comment := regexp.MustCompile(`(?m) +#.*$`)
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(text, -1) {
		if language == "sh" {
			m[1] = comment.ReplaceAllString(m[1], "")
		}
		found = append(found, m[1])
	}
	return found
}

func TestQueueDocsShowTheSameCode(t *testing.T) {
	english, chinese := readDoc(t, queueDocs[0].path), readDoc(t, queueDocs[1].path)
	for _, language := range []string{"go", "php", "sh"} {
		a, b := blocks(english, language), blocks(chinese, language)
		for i := range max(len(a), len(b)) {
			if i >= len(a) || i >= len(b) {
				t.Errorf("%d and %d %s snippets", len(a), len(b), language)
				break
			}
			if a[i] != b[i] {
				t.Errorf("%s snippet %d differs:\n%s\n%s", language, i+1, a[i], b[i])
			}
		}
	}
}

func TestQueueDocsShowCodeThatCompiles(t *testing.T) {
	flat := func(text string) string { return regexp.MustCompile(`(?m)^\t+`).ReplaceAllString(text, "") }
	compiled := flat(sources(t)["internal/jobs/docs_code_test.go"])
	for i, snippet := range blocks(readDoc(t, queueDocs[0].path), "go") {
		if !strings.Contains(compiled, flat(snippet)) {
			t.Errorf("snippet %d does not stand in docs_code_test.go:\n%s", i+1, snippet)
		}
	}
}
