// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
/* Tells user space of every exec and every exit, through a ring buffer. */

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include "bootstrap.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* When each process began to run its program; the longest unused make room for new ones. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, pid_t);
	__type(value, __u64);
} started SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1024 * 1024);
} events SEC(".maps");

/* Set before loading: tell only of exits after at least this long. */
const volatile __u64 min_duration_ns = 0;

/* Events that found the ring buffer full; read by user space. */
__u64 lost = 0;

static struct event *new_event(enum event_kind kind, pid_t pid, __u64 now)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct event *event;

	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		__sync_fetch_and_add(&lost, 1);
		return NULL;
	}
	event->kind = kind;
	event->when_ns = now;
	event->duration_ns = 0;
	event->pid = pid;
	event->parent_pid = BPF_CORE_READ(task, real_parent, tgid);
	event->exit_status = 0;
	event->filename[0] = '\0';
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	return event;
}

SEC("tracepoint/sched/sched_process_exec")
int on_exec(struct trace_event_raw_sched_process_exec *ctx)
{
	pid_t pid = bpf_get_current_pid_tgid() >> 32;
	__u64 now = bpf_ktime_get_boot_ns();
	struct event *event;

	bpf_map_update_elem(&started, &pid, &now, BPF_ANY);
	if (min_duration_ns)
		return 0;

	event = new_event(EVENT_EXEC, pid, now);
	if (!event)
		return 0;
	/* The low half of __data_loc says where in the record the string lies. */
	bpf_probe_read_kernel_str(event->filename, sizeof(event->filename),
				  (void *)ctx + (ctx->__data_loc_filename & 0xffff));
	bpf_ringbuf_submit(event, 0);
	return 0;
}

SEC("tracepoint/sched/sched_process_exit")
int on_exit(void *ctx)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	__u64 id = bpf_get_current_pid_tgid();
	__u64 now = bpf_ktime_get_boot_ns();
	__u64 *start, duration = 0;
	pid_t pid = id >> 32;
	struct event *event;

	/* Every thread comes by here; the first one's end stands for the process's. */
	if (pid != (pid_t)id)
		return 0;

	start = bpf_map_lookup_elem(&started, &pid);
	if (start)
		duration = now - *start;
	bpf_map_delete_elem(&started, &pid);
	if (duration < min_duration_ns)
		return 0;

	event = new_event(EVENT_EXIT, pid, now);
	if (!event)
		return 0;
	event->duration_ns = duration;
	event->exit_status = BPF_CORE_READ(task, exit_code);
	bpf_ringbuf_submit(event, 0);
	return 0;
}
