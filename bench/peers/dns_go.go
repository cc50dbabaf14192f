// Asks for many names at once in Go: a goroutine for each, the resolver that Go brings along.  dns_go [NAMES]; see ../dns.h.
// Needs: golang-go
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

func cpu() float64 {
	var used syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e6
}

func lookUp(n int) {
	name := "host" + strconv.Itoa(n) + ".bench"
	got, err := net.DefaultResolver.LookupHost(context.Background(), name)
	want := fmt.Sprintf("10.53.%d.%d", n>>8, n&255)
	if err != nil || len(got) != 1 || got[0] != want {
		fmt.Fprintln(os.Stderr, "dns_go:", name, got, err)
		os.Exit(1)
	}
}

func main() {
	names := 1000
	if len(os.Args) > 1 {
		names, _ = strconv.Atoi(os.Args[1])
	}
	net.DefaultResolver.PreferGo = true
	begin, cpuBegin := time.Now(), cpu()
	var all sync.WaitGroup
	for n := 0; n < names; n++ {
		all.Add(1)
		go func(n int) {
			defer all.Done()
			lookUp(n)
		}(n)
	}
	all.Wait()
	fmt.Printf("ms %.2f\ncpu_ms %.2f\n", float64(time.Since(begin).Nanoseconds())/1e6, cpu()-cpuBegin)
}
