package config

import (
	"fmt"
	"slices"
)

// mostSpeed is the fastest that time may run: an hour a second.
const mostSpeed = 3600

// checkClock refuses a speed that makes no sense.
func (s Settings) checkClock() error {
	if s.ClockSpeed == 0 {
		return nil // as the database says, whoever opens it asks CheckSpeed then
	}
	if !(s.ClockSpeed >= 1 && s.ClockSpeed <= mostSpeed) {
		return fmt.Errorf("--clock-speed: %g is not a speed from 1 to %d", s.ClockSpeed, mostSpeed)
	}
	return s.CheckSpeed(s.ClockSpeed)
}

// CheckSpeed refuses a time that runs faster than that of the world outside, where the
// settings name what is out there: the first day's SMS would cost a month's.
func (s Settings) CheckSpeed(speed float64) error {
	if speed == 1 {
		return nil
	}
	names, err := s.SMSProviders()
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(names, func(name string) bool { return name != LogSMS }); i >= 0 {
		return fmt.Errorf("--clock-speed: time cannot run %g× beside the real SMS provider %s: choose 1, or --sms log", speed, names[i])
	}
	if s.PayGateway != SandboxPay { // signatures and holds are of the wall's time
		return fmt.Errorf("--clock-speed: time cannot run %g× beside the payment gateway %s: choose 1, or --pay-gateway sandbox", speed, s.PayGateway)
	}
	return nil
}
