package arch

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/spotpool/spotpool/"

// leaves know nothing of the application, and import at most each other.
var leaves = []string{"internal/clock", "internal/fare", "internal/fault", "internal/geo", "internal/logs", "internal/mishap", "internal/money", "internal/seal"}

// rooms says what each package may import of this module besides leaves. It
// changes only with the design; cmd, which wires everything, is not in it.
var rooms = map[string][]string{
	"migrations":             nil,
	"web":                    nil,
	"internal/arch":          nil,
	"internal/config":        nil,
	"internal/db":            {"migrations"},
	"internal/db/dbtest":     {"internal/db"},
	"internal/jobs":          {"internal/db"},
	"internal/tempo":         {"internal/db"},
	"internal/osrm":          nil,
	"internal/roads":         nil,
	"internal/statechart":    nil,
	"internal/sim":           nil,
	"internal/pay":           {"internal/db", "internal/jobs"},
	"internal/notify":        {"internal/db", "internal/jobs"},
	"internal/account":       {"internal/db", "internal/jobs", "internal/notify"},
	"internal/trip":          {"internal/db", "internal/jobs", "internal/notify", "internal/pay"},
	"internal/match":         {"internal/db", "internal/jobs", "internal/trip"},
	"internal/bench":         {"internal/match", "internal/roads", "internal/sim", "internal/trip"},
	"internal/rating":        {"internal/db", "internal/jobs", "internal/notify"},
	"internal/order":         {"internal/db", "internal/jobs", "internal/match", "internal/notify", "internal/pay", "internal/rating", "internal/trip"},
	"internal/httpapi":       {"internal/account", "internal/db", "internal/jobs", "internal/match", "internal/notify", "internal/order", "internal/pay", "internal/rating", "internal/trip"},
	"internal/pay/paytest":   nil,
	"internal/jobs/jobstest": {"internal/db", "internal/db/dbtest", "internal/jobs"},
}

// withoutLeaves are the rooms that need none.
var withoutLeaves = []string{"migrations", "web", "internal/arch", "internal/pay/paytest"}

const cmd = "cmd/spotpool"

// testHelpers may be imported by the tests of any package.
var testHelpers = []string{"internal/db/dbtest", "internal/jobs/jobstest", "internal/pay/paytest", "internal/statechart"}

// reserved libraries belong to a few packages; the rest is spared their details.
var reserved = map[string][]string{
	"github.com/gin-gonic/gin":                {"internal/httpapi", cmd},
	"github.com/hibiken/asynq":                {"internal/jobs", "internal/jobs/jobstest", cmd},
	"github.com/hibiken/asynqmon":             {"internal/jobs", cmd},
	"github.com/spf13/cobra":                  {cmd},
	"github.com/spf13/pflag":                  {"internal/config", cmd},
	"github.com/pressly/goose/v3":             {"internal/db"},
	"github.com/go-sql-driver/mysql":          {"internal/db", "internal/db/dbtest"},
	"github.com/libtnb/sqlite":                {"internal/db"},
	"modernc.org/sqlite":                      {"internal/db"},
	"gorm.io/driver/mysql":                    {"internal/db"},
	"github.com/golang-jwt/jwt/v5":            {"internal/account"},
	"github.com/golang/geo":                   {"internal/match"},
	"github.com/alibabacloud-go":              {"internal/notify"},
	"github.com/stripe/stripe-go":             {"internal/pay"},
	"github.com/hashicorp/golang-lru/v2":      {"internal/osrm"},
	"github.com/HdrHistogram/hdrhistogram-go": {"internal/sim"},
}

// pkg is what `go list -json` says of a package.
type pkg struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

func (p pkg) room() string { return strings.TrimPrefix(p.ImportPath, module) }

func packages(t *testing.T) (found []pkg) {
	t.Helper()
	watch(t)
	list := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", module+"...")
	out, err := list.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("%v: %s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return found
		} else if err != nil {
			t.Fatal(err)
		}
		found = append(found, p)
	}
}

// watch reads all directories of the module: `go test` repeats a result it has
// kept unless what the test itself has read is changed.
func watch(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() && (d.Name() == ".git" || d.Name() == "var") {
			return filepath.SkipDir
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// mayImport reports whether the table draws an arrow from one package to another.
func mayImport(from, to string) bool {
	switch {
	case from == cmd:
		return true
	case slices.Contains(leaves, to):
		return !slices.Contains(withoutLeaves, from)
	}
	return slices.Contains(rooms[from], to)
}

// mayUse reports whether a package may import a library.
func mayUse(from, library string) bool {
	for path, owners := range reserved {
		if (library == path || strings.HasPrefix(library, path+"/")) && !slices.Contains(owners, from) {
			return false
		}
	}
	return true
}

func TestImportsRunOneWay(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range packages(t) {
		from := p.room()
		seen[from] = true
		if _, ok := rooms[from]; !ok && from != cmd && !slices.Contains(leaves, from) {
			t.Errorf("%s is not in the table of rooms", from)
		}
		for _, path := range p.Imports {
			to, ours := strings.CutPrefix(path, module)
			switch {
			case ours && !mayImport(from, to):
				t.Errorf("%s imports %s: a new arrow", from, to)
			case !ours && !mayUse(from, path):
				t.Errorf("%s imports %s, which is left to others", from, path)
			}
		}
		for _, path := range slices.Concat(p.TestImports, p.XTestImports) {
			to, ours := strings.CutPrefix(path, module)
			if ours && to != from && !mayImport(from, to) && !slices.Contains(testHelpers, to) {
				t.Errorf("a test of %s imports %s: a new arrow", from, to)
			}
		}
	}
	for _, room := range slices.AppendSeq(slices.Clone(leaves), maps.Keys(rooms)) {
		if !seen[room] {
			t.Errorf("%s stands in the table and is no package", room)
		}
	}
}

// The table itself must not draw a circle, or "downwards" means nothing.
func TestTheTableRunsOneWay(t *testing.T) {
	var visit func(room string, above []string)
	visit = func(room string, above []string) {
		if slices.Contains(above, room) {
			t.Fatalf("a circle: %s", strings.Join(append(above, room), " → "))
		}
		for _, to := range rooms[room] {
			visit(to, append(slices.Clone(above), room))
		}
	}
	for room := range rooms {
		visit(room, nil)
	}
}
