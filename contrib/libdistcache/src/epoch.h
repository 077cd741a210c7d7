/* Which process this is, across fork. */
#ifndef DC_EPOCH_H
#define DC_EPOCH_H

/* dc_epoch returns a number that stays the same in a process and differs from that of each of its parents.
 * The process ID does not do for that: in a PID namespace a child can have the ID of its parent. It makes no
 * system call after the first time. Never 0. */
unsigned long dc_epoch(void);

#endif
