package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// bullmq is BullMQ in one Node.js process, which bullmq/bench.mjs drives: bulk
// insertion with addBulk, chains and batches with FlowProducer.
type bullmq struct {
	servers *Servers
	dir     string
}

func openBullMQ(_ context.Context, s *Servers) (Engine, error) {
	e := &bullmq{servers: s, dir: "bullmq"}
	if _, err := os.Stat(filepath.Join(e.dir, "node_modules")); err != nil {
		return nil, errors.New("bullmq: run `npm install --no-package-lock` in the folder bullmq first")
	}
	return e, nil
}

func (e *bullmq) Versions(ctx context.Context) ([]string, error) {
	var versions []string
	for _, name := range []string{"bullmq", "ioredis"} {
		raw, err := os.ReadFile(filepath.Join(e.dir, "node_modules", name, "package.json"))
		if err != nil {
			return nil, err
		}
		var p struct{ Version string }
		if err := json.Unmarshal(raw, &p); err != nil {
			return nil, err
		}
		versions = append(versions, name+" "+p.Version)
	}
	out, err := exec.CommandContext(ctx, "node", "--version").Output()
	return append(versions, "Node.js "+strings.TrimSpace(string(out))), err
}

func (e *bullmq) Run(ctx context.Context, c Case) (r Result, err error) {
	if err := e.servers.flush(ctx); err != nil {
		return r, err
	}
	host, port, err := net.SplitHostPort(e.servers.RedisAddr)
	if err != nil {
		return r, err
	}
	arg, err := json.Marshal(struct {
		Case
		Host  string `json:"host"`
		Port  string `json:"port"`
		Chunk int    `json:"chunk"`
		Start int    `json:"starters"`
	}{c, host, port, insertChunk, starters})
	if err != nil {
		return r, err
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "node", "bench.mjs", string(arg))
	cmd.Dir, cmd.Stdout, cmd.Stderr = e.dir, &out, os.Stderr
	if err := cmd.Run(); err != nil {
		return r, fmt.Errorf("bench.mjs: %w", errors.Join(err, ctx.Err()))
	}
	return r, json.Unmarshal(out.Bytes(), &r)
}

func (e *bullmq) Statements(context.Context) (Statements, error) { return Statements{}, nil }

func (e *bullmq) Close() error { return nil }
