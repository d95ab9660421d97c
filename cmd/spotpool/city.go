package main

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/account"
	"github.com/spotpool/spotpool/internal/sim"
)

// demoSpeed is how fast time runs in the demo unless told otherwise: a car departs half a
// minute after it was offered and is there two minutes later, slow enough to be followed.
const demoSpeed = 20

// live lets the people of the synthetic city use the API at addr.
func (a *app) live(ctx context.Context, addr string) error {
	client := sim.NewClient("http://"+addr, nil)
	defer client.Close()
	people := sim.Live{
		Client: client, Tokens: a.tokens, City: sim.NewCity(1), Clock: a.clock, Log: a.log,
		// Many people, since SMS are limited for each number to a few a day.
		Fleet: 40, Trips: 15, Orders: 24, Cancels: 1, Drivers: 1000, Riders: 3000, Drive: true,
	}
	if a.clock.Speed() > 1 { // minutes are short then: at the demo's speed these are still several a second
		people.Trips, people.Orders, people.Cancels = 5, 8, 0.4
	}
	return sim.Run(ctx, people)
}

// tokens signs in n people of a role, the same ones each time: sim.Tokens.
func (a *app) tokens(ctx context.Context, role string, n int) ([]string, error) {
	return a.tokensFrom(ctx, role, 0, n)
}

// tokensFrom is tokens from the given person on.
func (a *app) tokensFrom(ctx context.Context, role string, from, n int) ([]string, error) {
	series := map[string]int{"rider": 1, "driver": 2, "operator": 3}[role]
	phones := make([]string, n)
	for i := range phones {
		phones[i] = fmt.Sprintf("+8610%d%07d", series, from+i)
	}
	users, err := a.accounts.EnsureMany(ctx, phones, account.Role(role))
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(users))
	for i, u := range users {
		t, err := a.accounts.Mint(u)
		if err != nil {
			return nil, err
		}
		texts[i] = t.Text
	}
	return texts, nil
}

// person returns a token for the one user with a phone number.
func (a *app) person(ctx context.Context, phone string, role account.Role) (string, uuid.UUID, error) {
	u, err := a.accounts.Ensure(ctx, phone, role)
	if err != nil {
		return "", uuid.Nil, err
	}
	t, err := a.accounts.Mint(u)
	return t.Text, u.ID, err
}
