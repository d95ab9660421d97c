package db_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/db/dbtest"
)

func TestMySQLConfig(t *testing.T) {
	for target, want := range map[string]string{ // "user:password@net(address)/name tls"
		"mysql://root@127.0.0.1:3306/":               "root:@tcp(127.0.0.1:3306)/ ",
		"mysql://root@127.0.0.1":                     "root:@tcp(127.0.0.1:3306)/ ",
		"mysql://spotpool:secret@db.example/spot":    "spotpool:secret@tcp(db.example:3306)/spot ",
		"mysql://spotpool:secret@db:3307/spot/":      "spotpool:secret@tcp(db:3307)/spot ",
		"mysql://u:p%40ss%2Fw%3Ard%3F@db/spot":       "u:p@ss/w:rd?@tcp(db:3306)/spot ",
		"mysql://u:p@[::1]/spot":                     "u:p@tcp([::1]:3306)/spot ",
		"mysql://u:p@db/spot?tls=true":               "u:p@tcp(db:3306)/spot true",
		"mysql://u:p@db/spot?parseTime=false":        "u:p@tcp(db:3306)/spot ",
		"u:p@tcp(db:3306)/spot?tls=skip-verify":      "u:p@tcp(db:3306)/spot skip-verify",
		"u:p@unix(/run/mysqld/mysqld.sock)/spot":     "u:p@unix(/run/mysqld/mysqld.sock)/spot ",
		"u:p@tcp(db)/spot?loc=Asia%2FShanghai":       "u:p@tcp(db:3306)/spot ",
		"u:p@tcp(db)/spot?clientFoundRows=false":     "u:p@tcp(db:3306)/spot ",
		"mysql://u:p@db/spot?interpolateParams=fals": "",
		"mysql:///spot":                              "",
		"mysql://%zz@db/spot":                        "",
		"postgres://u:p@db/spot":                     "",
		"spot":                                       "",
		"":                                           "",
	} {
		cfg, err := db.MySQLConfig(target)
		if want == "" {
			if !errors.Is(err, db.ErrTarget) {
				t.Errorf("%q: %v, want ErrTarget", target, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", target, err)
			continue
		}
		if got := cfg.User + ":" + cfg.Passwd + "@" + cfg.Net + "(" + cfg.Addr + ")/" + cfg.DBName + " " + cfg.TLSConfig; got != want {
			t.Errorf("%q: %q, want %q", target, got, want)
		}
		if !cfg.ParseTime || cfg.Loc != time.UTC || !cfg.ClientFoundRows || !cfg.InterpolateParams {
			t.Errorf("%q: what the program relies on is switched off: %+v", target, cfg)
		}
	}
}

// A target's error must not repeat its password.
func TestErrTargetKeepsThePassword(t *testing.T) {
	for _, target := range []string{"mysql://root:hunter2@db:port/spot", "root:hunter2@tcp(db:3306", "mysql://root:hunter2@/x"} {
		if _, err := db.Open(t.Context(), target); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", target, err)
		}
	}
}

func TestOpenRefusesWhatIsNoDatabase(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "letter")
	if err := os.WriteFile(file, []byte(strings.Repeat("Dear Sir or Madam, ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx    context.Context
		target string
		says   string
	}{
		"nothing named":       {t.Context(), "", db.ErrTarget.Error()},
		"another database":    {t.Context(), "postgres://u:p@db/spot", db.ErrTarget.Error()},
		"no path":             {t.Context(), "sqlite:", db.ErrTarget.Error()},
		"not a SQLite file":   {t.Context(), "sqlite:" + file, "file is not a database"},
		"a directory":         {t.Context(), "sqlite:" + dir, "unable to open database file"},
		"below a file":        {t.Context(), "sqlite:" + filepath.Join(file, "spot.db"), "not a directory"},
		"nobody listens":      {t.Context(), "mysql://root@127.0.0.1:1/spot", "database is not reachable"},
		"the caller has left": {cancelled, "sqlite:" + filepath.Join(dir, "new.db"), "canceled"},
	} {
		d, err := db.Open(c.ctx, c.target)
		if err == nil {
			_ = d.Close()
			t.Errorf("%s: opened", name)
		} else if !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q in it", name, err, c.says)
		}
	}
}

// A server that takes the connection and then says nothing.
func TestOpenHeedsItsContext(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		if conn, err := silent.Accept(); err == nil {
			cancel()
			<-t.Context().Done()
			_ = conn.Close()
		}
	}()
	opened := make(chan error, 1)
	go func() {
		_, err := db.Open(ctx, "mysql://root@"+silent.Addr().String()+"/spot")
		opened <- err
	}()
	select {
	case err := <-opened:
		if err == nil {
			t.Error("opened")
		}
	case <-time.After(time.Minute):
		t.Error("still waits for the server")
	}
}

// Names of directories that mean something in a URI.
func TestASQLiteFileIsWhereItsPathSays(t *testing.T) {
	for _, name := range []string{"plain", "with space", "c#", "what?mode=ro", "100%41", "拼车"} {
		path := filepath.Join(t.TempDir(), name, "spot.db")
		d, err := db.Open(t.Context(), "sqlite:"+path)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := d.Migrate(t.Context(), new(strings.Builder)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if info, err := os.Stat(path); err != nil || info.Size() == 0 {
			t.Errorf("%s: no database at its path: %v", name, err)
		}
	}
}

func TestCloseAndPing(t *testing.T) {
	d := dbtest.Open(t)
	if err := d.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if err := d.Ping(t.Context()); err == nil {
		t.Error("a closed database answers")
	}
}
