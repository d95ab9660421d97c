package httpapi

import "testing"

func TestRidersSeeOnlyWhatFaultsSay(t *testing.T) {
	const hidden = "something went wrong here; it is tried again"
	for text, want := range map[string]string{
		"": "",
		"payment_declined: the fare could not be held":                         "payment_declined: the fare could not be held",
		"payment_declined: the fare could not be held: dial tcp 10.0.0.1:4321": "payment_declined: the fare could not be held",
		"dial tcp 10.0.0.1:4321: connection refused":                           hidden,
		"panic: runtime error":                                                 hidden,
		"Error 1054: Unknown column":                                           hidden,
		"sms to +8613800000000 refused":                                        hidden,
	} {
		if got := lastError(text, false); got != want {
			t.Errorf("a rider sees %q of %q, want %q", got, text, want)
		}
		if got := lastError(text, true); got != text {
			t.Errorf("an operator sees %q of %q", got, text)
		}
	}
}
