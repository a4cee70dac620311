/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* What streams consist of, by subject. */
#ifndef FUZZ_STREAMS_H
#define FUZZ_STREAMS_H

#include "script.h"

/* Mutated commands of a host that keeps to the transport. */
void commands_begin(void);
void commands_stream(void);
void commands_end(void);

/* The host whose data nobody else may see. */
void plant_begin(void);
/* Before a stream, at times: its pattern goes through buffers, memory and queues anew. */
void plant(void);
void plant_end(void);

/* Mutated PDUs of a connection of its own. */
void guest_begin(void);
void guest_stream(enum kind kind);
/* Looks at what older ones have got. */
void guest_look(void);
void guest_end(void);

/* PDUs that are added to a script. */
void connect_hello(struct script *script);				/* ICReq */
void connect_queue(struct script *script, enum kind kind);		/* Connect */
/* A Connect as it should be, but for a host identifier of a few. */
void connect_data_right(struct connect_data *data, enum kind kind);
void fabrics_enable(struct script *script, enum kind kind);
void fabrics_any(struct script *script, enum kind kind);
void admin_any(struct script *script, enum kind kind);
void io_any(struct script *script, enum kind kind);
void reservation_any(struct script *script, enum kind kind);
void pdu_any(struct script *script, enum kind kind);

#endif
