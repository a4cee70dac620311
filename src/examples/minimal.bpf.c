// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
/* Hello from a tracepoint: one line in the trace pipe for each getppid() of one process. */

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Set before loading; constants to the verifier. */
const volatile __u64 pidns_dev = 0;
const volatile __u64 pidns_ino = 0;
const volatile __u32 own_pid = 0;
const volatile char token[32] = "";

/* Read by user space. */
__u64 hits = 0;

SEC("tracepoint/syscalls/sys_enter_getppid")
int hello(void *ctx)
{
	struct bpf_pidns_info who = {};

	/* In a container a process knows only its number in its own pid namespace. */
	if (bpf_get_ns_current_pid_tgid(pidns_dev, pidns_ino, &who, sizeof(who)))
		return 0;
	if (who.tgid != own_pid)
		return 0;

	__sync_fetch_and_add(&hits, 1);
	bpf_printk("hello_ebpf minimal: pid %d, token %s", who.tgid, (const char *)token);
	return 0;
}
