// Goroutine is the proxy that a Go programmer would write first: package net, a
// goroutine for each client, a mutex around the one connection to the server. It
// exists to be compared with dc_client by bench, and fails in all the ways that
// dc_client does not.
//
//	goroutine socket server-socket
package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"distcache/codec"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: goroutine socket server-socket")
		os.Exit(2)
	}
	err := run(os.Args[1], os.Args[2])
	fmt.Fprintln(os.Stderr, "goroutine:", err)
	os.Exit(1)
}

// run serves until something fails.
func run(path, server string) error {
	upstream, err := net.Dial("unix", server)
	if err != nil {
		return err
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	p := &proxy{upstream: upstream, waiting: map[uint32]chan []byte{}}
	go p.receive()
	fmt.Fprintln(os.Stderr, "goroutine ready", path)
	for {
		client, err := listener.Accept()
		if err != nil {
			return err
		}
		go p.serve(client)
	}
}

// proxy shares the connection upstream.
type proxy struct {
	upstream net.Conn
	mu       sync.Mutex
	nextUID  uint32
	waiting  map[uint32]chan []byte
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	answers := make(chan []byte, 1)
	for {
		frame, err := readFrame(client, codec.Request)
		if err != nil {
			return
		}
		uid := binary.BigEndian.Uint32(frame[5:])
		if err := p.send(frame, answers); err != nil {
			return
		}
		answer, ok := <-answers
		if !ok {
			return
		}
		codec.SetUID(answer, uid)
		if _, err := client.Write(answer); err != nil {
			return
		}
	}
}

func (p *proxy) send(frame []byte, answers chan []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.nextUID++
	p.waiting[p.nextUID] = answers
	codec.SetUID(frame, p.nextUID)
	_, err := p.upstream.Write(frame)
	return err
}

func (p *proxy) receive() {
	for {
		frame, err := readFrame(p.upstream, codec.Response)
		if err != nil {
			fmt.Fprintln(os.Stderr, "goroutine: upstream:", err)
			os.Exit(1)
		}
		uid := binary.BigEndian.Uint32(frame[5:])
		p.mu.Lock()
		answers := p.waiting[uid]
		delete(p.waiting, uid)
		p.mu.Unlock()
		if answers != nil {
			answers <- frame
		}
	}
}

func readFrame(r io.Reader, dir codec.Direction) ([]byte, error) {
	header := make([]byte, codec.HeaderSize)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, err
	}
	h, err := codec.ParseHeader(header, dir)
	if err != nil {
		return nil, err
	}
	frame := append(header, make([]byte, h.DataLen)...)
	_, err = io.ReadFull(r, frame[codec.HeaderSize:])
	return frame, err
}
