package load

// pending is a request that was begun and not answered. Times are of the run's clock, in nanoseconds.
type pending struct {
	operation
	client     uint32
	generation uint32 // of the session's ID
	begun      int64  // before its bytes were sent
	intended   int64  // latency counts from here: when it was due (open loop), or begun
}

func (p *pending) name() sessionName {
	return sessionName{client: p.client, slot: p.slot, generation: p.generation}
}

func (p *pending) asked() Asked { return Asked{Op: p.op, UID: p.uid} }

// encoder makes requests. The same pending always gives the same bytes, so none are kept.
type encoder struct {
	plan     *plan
	protocol Protocol
	request  Request
	id, data []byte
}

func (e *encoder) append(dst []byte, p *pending) []byte {
	e.id = e.plan.appendID(e.id[:0], p.name())
	e.request = Request{Asked: p.asked(), ID: e.id}
	if p.isAdd() {
		c := content{tag: e.plan.tag(p.client, p.index), cut: p.cut, size: p.size}
		e.data = e.plan.appendContent(e.data[:0], c)
		e.request.Data, e.request.Timeout = e.data, p.life()
	}
	return e.protocol.AppendRequest(dst, &e.request)
}
