/* The struct behind DC_CTX. After DC_CTX_new only its atomic members change, so threads share it freely. */
#ifndef DC_CONTEXT_H
#define DC_CONTEXT_H

#include <stdatomic.h>

#include "distcache/dc_client.h"
#include "peer.h"
#include "pool.h"
#include "silence.h"
#include "target.h"

struct st_DC_CTX {
	struct dc_target target;
	unsigned int flags;
	int budget_msecs;
	unsigned long serial; /* no two contexts of a process have the same */
	atomic_uint next_uid;
	struct dc_peers peers;
	struct dc_pool pool;
	struct dc_silence silence;
};

#endif
