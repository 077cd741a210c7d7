package kit

import (
	"time"

	"distcache/codec"
)

// Add is an ADD in wire form. ttl is sent in whole milliseconds; nothing is checked.
func Add(uid uint32, id, data string, ttl time.Duration) []byte {
	payload := codec.AppendAdd(nil, codec.Add{Timeout: ttl, ID: []byte(id), Data: []byte(data)})
	return Ask(uid, codec.OpAdd, payload)
}

// Get is a GET in wire form.
func Get(uid uint32, id string) []byte { return Ask(uid, codec.OpGet, []byte(id)) }

// Remove is a REMOVE in wire form.
func Remove(uid uint32, id string) []byte { return Ask(uid, codec.OpRemove, []byte(id)) }

// Have is a HAVE in wire form.
func Have(uid uint32, id string) []byte { return Ask(uid, codec.OpHave, []byte(id)) }

// Ask is a request with any payload, in wire form.
func Ask(uid uint32, op codec.Op, payload []byte) []byte {
	return codec.AppendMessage(nil, codec.Request, uid, op, payload)
}

// Hit is the answer to a GET that found data, in wire form.
func Hit(uid uint32, data string) []byte { return Answer(uid, codec.OpGet, []byte(data)) }

// Status is an answer of one status byte, in wire form.
func Status(uid uint32, op codec.Op, s codec.Status) []byte {
	return codec.AppendStatus(nil, uid, op, s)
}

// Answer is an answer with any payload, in wire form.
func Answer(uid uint32, op codec.Op, payload []byte) []byte {
	return codec.AppendMessage(nil, codec.Response, uid, op, payload)
}
