package jobs_test

import (
	"context"
	"fmt"
	"time"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

// The stages of a chain run one after another.
func Example_chain() {
	q, end := jobstest.Demo()
	defer end()

	flow := jobs.Chain(says(q, "find_trip"), says(q, "hold_fare"), says(q, "confirm"))
	fmt.Println(flow)
	subject := q.Start(flow)
	q.Drain()
	fmt.Println("the flow is", q.Flow(subject).State)
	// Output:
	// find_trip → hold_fare → confirm
	// find_trip
	// hold_fare
	// confirm
	// the flow is done
}

// When a stage fails, the stages behind it are skipped and the catch chain
// undoes what was done. It is told why.
func Example_chainCatch() {
	q, end := jobstest.Demo()
	defer end()

	giveUp := does(q, "give_up", func(_ context.Context, a *jobs.Attempt) error {
		fmt.Println("because it", a.Cause)
		return nil
	})
	flow := jobs.Chain(says(q, "find_trip"), fails(q, "hold_fare"), says(q, "confirm")).Catch(giveUp, says(q, "apologise"))
	fmt.Println(flow)
	subject := q.Start(flow)
	q.Drain()
	fmt.Println(outline(q.Flow(subject)))
	// Output:
	// find_trip → hold_fare → confirm, or else give_up → apologise
	// find_trip
	// hold_fare
	// give_up
	// because it failed
	// apologise
	// main find_trip:done; main hold_fare:failed(1); main confirm:skipped; catch give_up:done; catch apologise:done
}

// The members of a batch run side by side. Its callbacks are jobs too: progress
// comes as members end, then when all have succeeded, finally in any case.
func Example_batch() {
	q, end := jobstest.Demo()
	defer end()

	progress := does(q, "progress", func(ctx context.Context, a *jobs.Attempt) error {
		b, err := a.Batch(ctx)
		fmt.Printf("%d of %d, %d%%\n", b.Done(), b.Total, b.Percent())
		return err
	})
	// They take their turns, so that each run of progress has something to tell.
	subject := q.Start(jobs.Chain(jobs.Batch(
		says(q, "mail Ana"), says(q, "mail Bo").In(time.Second), says(q, "mail Cy").In(2*time.Second),
	).Progress(progress).Then(says(q, "all are told")).Catch(says(q, "not all are told")).Finally(says(q, "tidy up"))))
	elapse(q, 2*time.Second)
	fmt.Println("the flow is", q.Flow(subject).State)
	// Output:
	// mail Ana
	// progress
	// 1 of 3, 33%
	// mail Bo
	// progress
	// 2 of 3, 66%
	// mail Cy
	// progress
	// 3 of 3, 100%
	// all are told
	// tidy up
	// the flow is done
}

// A batch's catch starts once, on the first failure. The failure stops the flow:
// what has not run is skipped.
func Example_batchCatch() {
	q, end := jobstest.Demo()
	defer end()

	catch := does(q, "not all are told", func(ctx context.Context, a *jobs.Attempt) error {
		b, err := a.Batch(ctx)
		fmt.Printf("it %s; %d done, %d failed, %d skipped\n", a.Cause, b.Done(), b.Failed, b.Skipped)
		return err
	})
	subject := q.Start(jobs.Chain(jobs.Batch(
		says(q, "mail Ana"), fails(q, "mail Bo"), fails(q, "mail Cy"),
	).Then(says(q, "all are told")).Catch(catch).Finally(says(q, "tidy up"))))
	q.Drain()
	fmt.Println("the flow has", q.Flow(subject).State)
	// Output:
	// mail Ana
	// mail Bo
	// not all are told
	// it failed; 1 done, 1 failed, 1 skipped
	// tidy up
	// the flow has failed
}

// A running member adds others to its batch, in the transaction of Done, so that
// they come exactly once.
func Example_addFromInside() {
	q, end := jobstest.Demo()
	defer end()

	page := says(q, "page")
	list := does(q, "list", func(ctx context.Context, a *jobs.Attempt) error {
		return a.Done(ctx, func(tx *db.Tx) error {
			_, err := a.Add(tx, page, page)
			return err
		})
	})
	subject := q.Start(jobs.Chain(jobs.Batch(list), says(q, "index")))
	q.Drain()
	fmt.Println(q.Flow(subject).Stages[0].Batch.Total, "members")
	// Output:
	// list
	// page
	// page
	// index
	// 3 members
}

// When a batch's flow is cancelled, what waits is skipped, what runs can see it,
// and the catch chain runs.
func Example_cancelBatch() {
	q, end := jobstest.Demo()
	defer end()

	long := does(q, "long", func(ctx context.Context, a *jobs.Attempt) error {
		_, _ = q.System.Admin().CancelFlow(ctx, a.Flow.UUID) // somebody does, meanwhile
		cancelled, err := a.Cancelled(ctx)
		fmt.Println("long sees that it is cancelled:", cancelled)
		return err
	})
	flow := jobs.Chain(jobs.Batch(long, says(q, "other")), says(q, "next")).Catch(says(q, "undo"))
	subject := q.Start(flow)
	q.Drain()
	fmt.Println(outline(q.Flow(subject)))
	// Output:
	// long
	// long sees that it is cancelled: true
	// undo
	// main long:done | other:skipped; main next:skipped; catch undo:done
}

// A job cancels its own batch with its flow, in the transaction of Done.
func Example_cancelBatchFromInside() {
	q, end := jobstest.Demo()
	defer end()

	first := does(q, "first", func(ctx context.Context, a *jobs.Attempt) error {
		return a.Done(ctx, func(tx *db.Tx) error {
			_, err := a.CancelFlow(tx)
			return err
		})
	})
	subject := runs(q, jobs.Batch(first, says(q, "second")))
	v := q.Flow(subject)
	fmt.Println(v.State+":", outline(v))
	// Output:
	// first
	// cancelled: main first:done | second:skipped
}

// In a batch that allows failures, catch starts on each of them, and the flow
// goes on.
func Example_allowFailures() {
	q, end := jobstest.Demo()
	defer end()

	mails := jobs.Batch(says(q, "mail Ana"), fails(q, "mail Bo"), fails(q, "mail Cy")).AllowFailures().Catch(says(q, "call instead"))
	subject := runs(q, mails, says(q, "next"))
	b := q.Flow(subject).Stages[0].Batch
	fmt.Printf("%d done, %d failed; the flow is %s\n", b.Done(), b.Failed, q.Flow(subject).State)
	// Output:
	// mail Ana
	// mail Bo
	// mail Cy
	// next
	// call instead
	// call instead
	// 1 done, 2 failed; the flow is done
}

// A chain in a batch counts as one member, with a catch chain of its own.
func Example_chainInABatch() {
	q, end := jobstest.Demo()
	defer end()

	ana := jobs.Chain(says(q, "text Ana"), says(q, "bill Ana"))
	bo := jobs.Chain(fails(q, "text Bo"), says(q, "bill Bo")).Catch(says(q, "call Bo"))
	flow := jobs.Chain(jobs.Batch(ana, bo).AllowFailures(), says(q, "next"))
	fmt.Println(flow)
	subject := q.Start(flow)
	q.Drain()
	b := q.Flow(subject).Stages[0].Batch
	fmt.Printf("%d members, %d done, %d failed\n", b.Total, b.Done(), b.Failed)
	// Output:
	// ((text Ana → bill Ana) | (text Bo → bill Bo, or else call Bo)) → next
	// text Ana
	// bill Ana
	// text Bo
	// call Bo
	// next
	// 2 members, 1 done, 1 failed
}

// A batch is a stage like any other, so chains hold batches, and batches that
// hold chains hold batches.
func Example_batchInAChain() {
	q, end := jobstest.Demo()
	defer end()

	inner := jobs.Chain(says(q, "open"), jobs.Batch(says(q, "left"), says(q, "right")), says(q, "close"))
	flow := jobs.Chain(says(q, "begin"), jobs.Batch(inner, says(q, "beside")), says(q, "finish"))
	fmt.Println(flow)
	q.Start(flow)
	q.Drain()
	// Output:
	// begin → ((open → (left | right) → close) | beside) → finish
	// begin
	// open
	// left
	// right
	// close
	// beside
	// finish
}

// What ended long ago is deleted, batches with their flows: by hand, as here, or
// by the periodic job of RegisterPrune.
func Example_pruning() {
	q, end := jobstest.Demo()
	defer end()
	ctx, admin := context.Background(), q.System.Admin()

	old := runs(q, jobs.Batch(says(q, "mail Ana"), says(q, "mail Bo")))
	q.Clock.Advance(48 * time.Hour)
	young := runs(q, jobs.Batch(says(q, "mail Cy")))

	n, err := admin.PruneBatches(ctx, q.Clock.Now().Add(-24*time.Hour), time.Time{})
	fmt.Println(n, "flow deleted,", err)
	_, ok, _ := q.Client.FlowOf(ctx, old)
	fmt.Println("the old one is there:", ok)
	_, ok, _ = q.Client.FlowOf(ctx, young)
	fmt.Println("the young one is there:", ok)
	// Output:
	// mail Ana
	// mail Bo
	// mail Cy
	// 1 flow deleted, <nil>
	// the old one is there: false
	// the young one is there: true
}
