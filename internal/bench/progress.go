package bench

import (
	"io"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"
)

// newBar returns a bar of so many orders on w, an invisible one where w is no terminal.
func newBar(w io.Writer, orders int) *progressbar.ProgressBar {
	f, ok := w.(*os.File)
	if !ok || !isatty.IsTerminal(f.Fd()) {
		return progressbar.DefaultSilent(int64(orders))
	}
	return progressbar.NewOptions(orders,
		progressbar.OptionSetWriter(f),
		progressbar.OptionSetDescription("orders"),
		progressbar.OptionShowCount(),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)
}
