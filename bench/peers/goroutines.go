// goroutines.go - Go; on one core, where it is run, it uses one kernel thread for goroutines
// Needs: golang-go
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

const work, rest = 20 * time.Microsecond, time.Millisecond // of the others

var args [2]int // what follows n

func check(ok bool, what string) {
	if !ok {
		fmt.Fprintln(os.Stderr, what, "is not so")
		os.Exit(1)
	}
}

func cpu() time.Duration {
	const processClock = 2 // CLOCK_PROCESS_CPUTIME_ID
	var used syscall.Timespec
	_, _, err := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, processClock, uintptr(unsafe.Pointer(&used)), 0)
	check(err == 0, "reading the process's clock")
	return time.Duration(used.Nano())
}

// two runs one in a goroutine of its own and the other here.
func two(mine, others func()) time.Duration {
	done := make(chan bool)
	from := cpu()
	go func() {
		others()
		done <- true
	}()
	mine()
	<-done
	return cpu() - from
}

func yields(n int) time.Duration {
	turns := func() {
		for i := 0; i < n/2; i++ {
			runtime.Gosched()
		}
	}
	return two(turns, turns)
}

// semaphore: a channel of one place is Go's semaphore.
func semaphore(n int) time.Duration {
	turn := [2]chan struct{}{make(chan struct{}, 1), make(chan struct{}, 1)}
	turn[0] <- struct{}{}
	passes := func(me int) func() {
		return func() {
			for i := 0; i < n/2; i++ {
				<-turn[me]
				turn[1-me] <- struct{}{}
			}
		}
	}
	return two(passes(0), passes(1))
}

func condition(n int) time.Duration {
	var lock sync.Mutex
	changed, whose := sync.NewCond(&lock), 0
	plays := func(me int) func() {
		return func() {
			for i := 0; i < n/2; i++ {
				lock.Lock()
				for whose != me {
					changed.Wait()
				}
				whose = 1 - me
				changed.Signal()
				lock.Unlock()
			}
		}
	}
	return two(plays(0), plays(1))
}

func through(items chan int, n int) time.Duration {
	return two(func() {
		for i := 1; i <= n; i++ {
			check(<-items == i, "the order of items")
		}
	}, func() {
		for i := 1; i <= n; i++ {
			items <- i
		}
	})
}

func create(n int) time.Duration {
	done := make(chan int)
	from := cpu()
	for i := 0; i < n; i++ {
		go func() { done <- i }()
		check(<-done == i, "what it returned")
	}
	return cpu() - from
}

// kb tells what is resident, and page tables.
func kb() float64 {
	total := 0.0
	for _, at := range [][2]string{{"/proc/self/smaps_rollup", "Pss:"}, {"/proc/self/status", "VmPTE:"}} {
		text, err := os.ReadFile(at[0])
		check(err == nil, "reading "+at[0])
		for _, line := range strings.Split(string(text), "\n") {
			if strings.HasPrefix(line, at[1]) {
				value, _ := strconv.ParseFloat(strings.Fields(line)[1], 64)
				total += value
			}
		}
	}
	return total
}

func alive(n int) time.Duration {
	var there, left sync.WaitGroup
	end := make(chan bool)
	there.Add(n)
	left.Add(n)
	before, from := kb(), cpu()
	for i := 0; i < n; i++ {
		go func() {
			there.Done()
			<-end
			left.Done()
		}()
	}
	there.Wait()
	took := cpu() - from
	fmt.Printf("made %d\nkb %.2f\n", n, (kb()-before)/float64(n))
	from = cpu()
	close(end)
	left.Wait()
	return took + cpu() - from
}

// park says how many there are, and waits for a line.
func park(n int, wait func()) time.Duration {
	var there sync.WaitGroup
	there.Add(n)
	for i := 0; i < n; i++ {
		go func() {
			there.Done()
			wait()
		}()
	}
	there.Wait()
	time.Sleep(100 * time.Millisecond)
	fmt.Printf("parked %d\n", n)
	bufio.NewReader(os.Stdin).ReadString('\n')
	os.Exit(0)
	return 0
}

var in, out *os.File // kept, as the collector closes files that nobody can reach

func read(n int) time.Duration {
	var err error
	in, out, err = os.Pipe()
	check(err == nil, "a pipe")
	return park(n, func() {
		in.Read(make([]byte, 1))
		check(false, "that it waits for a byte")
	})
}

// length is how long sleeper i of n sleeps, as in sides.h.
func length(i, n int) time.Duration {
	return time.Duration(float64(n) * (5000 + 10000*float64(uint64(i)*2654435761%1000000007)/1000000007))
}

func printLate(late []time.Duration) {
	sort.Slice(late, func(a, b int) bool { return late[a] < late[b] })
	n := len(late)
	for _, at := range []struct {
		name string
		i    int
	}{{"late_us", n / 2}, {"p99_us", n - 1 - n/100}, {"worst_us", n - 1}} {
		fmt.Printf("%s %.1f\n", at.name, float64(late[at.i])/1e3)
	}
}

func sleepers(n int) time.Duration {
	var left sync.WaitGroup
	late := make([]time.Duration, n)
	left.Add(n)
	from := cpu()
	for i := 0; i < n; i++ {
		go func(i int) {
			begun := time.Now()
			time.Sleep(length(i, n))
			late[i] = time.Since(begun) - length(i, n)
			left.Done()
		}(i)
	}
	left.Wait()
	took := cpu() - from
	printLate(late)
	return took
}

var spun int

func spin(n int) {
	for i := 0; i < n; i++ {
		spun += i
	}
}

// findWork tells how many spins take as long as the others work.
func findWork() int {
	best := time.Hour
	for i := 0; i < 20; i++ {
		from := time.Now()
		spin(20000)
		if took := time.Since(from); took < best {
			best = took
		}
	}
	return int(20000 * work / best)
}

func late(n int) time.Duration {
	spins, late := findWork(), make([]time.Duration, n)
	for i := 0; i < args[1]; i++ {
		go func() {
			for {
				spin(spins)
				time.Sleep(rest)
			}
		}()
	}
	begun, length := time.Now(), time.Duration(args[0])*time.Microsecond
	for i := range late {
		from := time.Now()
		time.Sleep(length)
		late[i] = time.Since(from) - length
	}
	took := time.Since(begun)
	printLate(late)
	return took
}

func main() {
	sides := map[string]func(int) time.Duration{
		"yield": yields, "semaphore": semaphore, "condition": condition, "create": create, "alive": alive,
		"channel": func(n int) time.Duration { return through(make(chan int), n) },
		"queue":   func(n int) time.Duration { return through(make(chan int, 64), n) },
		"sleep":   func(n int) time.Duration { return park(n, func() { time.Sleep(1000 * time.Second) }) },
		"read":    read, "sleepers": sleepers, "late": late}
	if len(os.Args) < 3 || sides[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: goroutines SIDE n [more]")
		os.Exit(2)
	}
	n, _ := strconv.Atoi(os.Args[2])
	for i := 3; i < len(os.Args) && i < 5; i++ {
		args[i-3], _ = strconv.Atoi(os.Args[i])
	}
	took := sides[os.Args[1]](n)
	fmt.Printf("ns %.2f\n", float64(took)/float64(n))
}
