package jobs_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
)

// parity lists what Laravel's queue can do and the example that shows how it is
// done here. What no example can print the same every time, a test shows.
var parity = []struct{ row, shown string }{
	{"dispatch", "Example_dispatch"},
	{"dispatch after commit", "Example_dispatchAfterCommit"},
	{"delay", "Example_delay"},
	{"custom queue", "Example_customQueue"},
	{"custom connection", "TestCustomConnection"},
	{"sync dispatch", "Example_syncDispatch"},
	{"chain", "Example_chain"},
	{"chain catch", "Example_chainCatch"},
	{"batch with then, finally, progress", "Example_batch"},
	{"batch with catch", "Example_batchCatch"},
	{"adding jobs from inside a batch", "Example_addFromInside"},
	{"cancelling a batch: what waits is skipped, what runs can see it", "Example_cancelBatch"},
	{"cancelling a batch from inside", "Example_cancelBatchFromInside"},
	{"allow failures", "Example_allowFailures"},
	{"chain inside a batch", "Example_chainInABatch"},
	{"batch inside a chain", "Example_batchInAChain"},
	{"pruning", "Example_pruning"},
	{"tries", "Example_tries"},
	{"max exceptions", "Example_maxExceptions"},
	{"retry until", "Example_retryUntil"},
	{"backoff: fixed, list, function", "Example_backoff"},
	{"timeout", "Example_timeout"},
	{"attempts()", "Example_attempts"},
	{"release", "Example_release"},
	{"fail", "Example_fail"},
	{"job middleware, per kind and global", "Example_middleware"},
	{"rate limit: release", "Example_rateLimit"},
	{"rate limit: skip", "Example_rateLimitOrSkip"},
	{"without overlapping", "Example_withoutOverlapping"},
	{"without overlapping: expiry", "TestWithoutOverlappingExpires"},
	{"without overlapping: renewal", "TestWithoutOverlappingRenewsItsLock"},
	{"throttle exceptions", "Example_throttleExceptions"},
	{"throttle exceptions: recovery", "TestThrottleExceptionsTriesAgain"},
	{"skip if batch cancelled", "Example_cancelBatch"},
	{"skip for another reason", "Example_skip"},
	{"unique", "Example_unique"},
	{"unique until processing", "Example_uniqueUntilProcessing"},
	{"encrypted arguments", "Example_encryptedArguments"},
	{"encrypted arguments: masked in asynqmon", "TestSealedArgumentsAreMasked"},
	{"models by primary key; a missing one deletes or fails", "Example_modelsByPrimaryKey"},
	{"failed jobs table", "Example_failedJobs"},
	{"failed hook, per kind and global", "Example_failureHooks"},
	{"retry of failed jobs", "Example_retryFailed"},
	{"retry of a failed job in a flow", "Example_retryFailedFlow"},
	{"forget and flush of failed jobs", "Example_forgetAndFlush"},
	{"prune of failed jobs", "Example_pruneFailed"},
	{"priorities: strict", "TestStrictPriority"},
	{"priorities: weighted", "TestWeightedPriorities"},
	{"worker options: concurrency", "TestConcurrency"},
	{"worker options: queues", "Example_customQueue"},
	{"worker options: timeout", "TestMaxTimeoutBoundsWhatAKindSays"},
	{"worker options: tries", "TestMaxTriesBoundsWhatAKindSays"},
	{"worker options: stop when empty", "TestStopWhenEmptyLeavesWhatIsNotDue"},
	{"worker options: max jobs", "TestMaxJobsIsExact"},
	{"worker options: max time", "TestMaxTimeEndsAWorker"},
	{"worker options: memory", "TestMaxMemoryEndsAWorker"},
	{"graceful stop", "TestGracefulStop"},
	{"graceful stop: timeout", "TestStopTimeout"},
	{"pause and continue", "Example_pauseAndContinue"},
	{"pause and continue of running workers", "TestPauseHoldsWorkersBack"},
	{"monitor: size and wait", "TestMonitor"},
	{"tags", "Example_tags"},
	{"queue events", "Example_events"},

	{"an effect recorded exactly once", "Example_effect"},
}

// Every row must be shown by an example that is run, which takes an output, or by
// a test; and every example must stand in the list.
func TestEveryRowOfParityIsShown(t *testing.T) {
	shows := map[string]bool{}
	for name, file := range testFiles(t) {
		for _, d := range file.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Test") {
				shows[fn.Name.Name] = true
			}
		}
		for _, e := range doc.Examples(file) {
			shows["Example"+e.Name] = e.Output != ""
			if e.Output == "" {
				t.Errorf("%s: Example%s has no output, so it is not run", name, e.Name)
			}
		}
	}
	listed := map[string]bool{}
	for _, p := range parity {
		listed[p.shown] = true
		if !shows[p.shown] {
			t.Errorf("%q: there is no %s that is run", p.row, p.shown)
		}
	}
	for name := range shows {
		if strings.HasPrefix(name, "Example") && !listed[name] {
			t.Errorf("%s shows no row of the list", name)
		}
	}
}

func testFiles(t *testing.T) map[string]*ast.File {
	t.Helper()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	files, set := map[string]*ast.File{}, token.NewFileSet()
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		if files[e.Name()], err = parser.ParseFile(set, e.Name(), nil, parser.ParseComments); err != nil {
			t.Fatal(err)
		}
	}
	return files
}
