// ../cold_file.c in Go: goroutines that read a cold file over and over, beside an echo server.  cold_file_go FILE READERS
// Needs: golang-go
package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
)

const block = 65536
const dontNeed = 4 // POSIX_FADV_DONTNEED

func giveUp(what ...interface{}) {
	fmt.Fprintln(os.Stderr, append([]interface{}{"cold_file_go:"}, what...)...)
	os.Exit(1)
}

func readPart(file *os.File, from, part int64) {
	buf := make([]byte, block)
	for {
		for at := from; at < from+part; at += block {
			if _, err := file.ReadAt(buf, at); err != nil {
				giveUp(err)
			}
			for i := 0; i < block; i += 8 {
				if binary.LittleEndian.Uint64(buf[i:]) != uint64(at+int64(i))/8 {
					giveUp("wrong at", at+int64(i))
				}
			}
		}
		syscall.Syscall6(syscall.SYS_FADVISE64, file.Fd(), uintptr(from), uintptr(part), dontNeed, 0, 0)
	}
}

func serve(conn net.Conn) {
	defer conn.Close()
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		if _, err = conn.Write(buf[:n]); err != nil {
			return
		}
	}
}

func acceptAll(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			giveUp(err)
		}
		go serve(conn)
	}
}

func main() {
	file, err := os.Open(os.Args[1])
	if err != nil {
		giveUp(err)
	}
	info, _ := file.Stat()
	readers, _ := strconv.Atoi(os.Args[2])
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		giveUp(err)
	}
	syscall.Syscall6(syscall.SYS_FADVISE64, file.Fd(), 0, 0, dontNeed, 0, 0)
	fmt.Println("port", listener.Addr().(*net.TCPAddr).Port)
	for i := 0; i < readers; i++ {
		part := info.Size() / int64(readers) / block * block
		go readPart(file, int64(i)*part, part)
	}
	acceptAll(listener)
}
