/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <errno.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "csd_compile_confine.h"

#define DENIED		(SECCOMP_RET_ERRNO | EPERM)
#define UNKNOWN		(SECCOMP_RET_ERRNO | ENOSYS)
#define DENY_NUMBER(number)	{(number), DENIED, CSD_CONFINE_ALWAYS, 0, 0}
#define DENY(name)	DENY_NUMBER(SYS_##name)
#define NAMESPACES	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

/*
 * A list of what is denied: which calls a compiler makes differs from release to release, and none of these is among
 * them. What is newer than the headers of Debian 12 stands by its number.
 */
static const struct csd_confine_call compile_denied[] = {
	/* the network, and processes beside this one */
	DENY(socket), DENY(socketpair), DENY(connect), DENY(bind), DENY(listen), DENY(accept), DENY(accept4),
	DENY(kill), DENY(tkill), DENY(rt_sigqueueinfo), DENY(rt_tgsigqueueinfo), DENY(pidfd_send_signal), DENY(pidfd_open),
	DENY(pidfd_getfd), DENY(ptrace), DENY(process_vm_readv), DENY(process_vm_writev), DENY(process_madvise), DENY(kcmp),
	DENY(shmget), DENY(shmat), DENY(msgget), DENY(semget), DENY(mq_open),
	{SYS_prlimit64, DENIED, CSD_CONFINE_ANY_BIT, 0, 0xffffffffU},
	/* what a terminal on stderr takes for typed */
	{SYS_ioctl, DENIED, CSD_CONFINE_EQUAL, 1, TIOCSTI}, {SYS_ioctl, DENIED, CSD_CONFINE_EQUAL, 1, TIOCLINUX},
	/* the process group by which all of it is ended */
	DENY(setsid), DENY(setpgid),
	/* another view of the machine; clone3's flags lie in memory, without it libc takes clone */
	{SYS_clone, DENIED, CSD_CONFINE_ANY_BIT, 0, NAMESPACES}, {SYS_clone3, UNKNOWN, CSD_CONFINE_ALWAYS, 0, 0},
	DENY(unshare), DENY(setns), DENY(chroot), DENY(pivot_root), DENY(mount), DENY(umount2), DENY(fsopen), DENY(fspick),
	DENY(fsconfig), DENY(fsmount), DENY(move_mount), DENY(open_tree), DENY_NUMBER(467 /* open_tree_attr */), DENY(mount_setattr),
	DENY(open_by_handle_at), DENY(name_to_handle_at),
	/* what belongs to a file that is not opened, where Landlock does not look */
	DENY(chmod), DENY(fchmod), DENY(fchmodat), DENY_NUMBER(452 /* fchmodat2 */), DENY(chown), DENY(lchown), DENY(fchown),
	DENY(fchownat), DENY(setxattr), DENY(lsetxattr), DENY(fsetxattr), DENY_NUMBER(463 /* setxattrat */), DENY(removexattr),
	DENY(lremovexattr), DENY(fremovexattr), DENY_NUMBER(466 /* removexattrat */), DENY_NUMBER(469 /* file_setattr */), DENY(utime),
	DENY(utimes), DENY(futimesat), DENY(utimensat), DENY(fanotify_init), DENY(inotify_init), DENY(inotify_init1),
	/* parts of the kernel in which faults are found */
	DENY(bpf), DENY(perf_event_open), DENY(userfaultfd), DENY(io_uring_setup), DENY(io_uring_enter), DENY(io_uring_register),
	DENY(keyctl), DENY(add_key), DENY(request_key), DENY(modify_ldt), DENY(personality), DENY(vmsplice), DENY(seccomp),
	/* the machine */
	DENY(init_module), DENY(finit_module), DENY(delete_module), DENY(kexec_load), DENY(kexec_file_load), DENY(reboot),
	DENY(swapon), DENY(swapoff), DENY(acct), DENY(quotactl), DENY(quotactl_fd), DENY(settimeofday), DENY(clock_settime),
	DENY(clock_adjtime), DENY(adjtimex), DENY(iopl), DENY(ioperm), DENY(syslog), DENY(sethostname), DENY(setdomainname),
	DENY(setpriority), DENY(ioprio_set), DENY(sched_setaffinity), DENY(sched_setscheduler), DENY(sched_setattr),
	DENY(sched_setparam), DENY(mlock), DENY(mlock2), DENY(mlockall),
};

enum compile_end
compile_confine(const char *folder, struct csd_confined *confined, char reason[CSD_REASON_BYTES])
{
	const unsigned int tools = CSD_CONFINE_READ | CSD_CONFINE_RUN;
	const struct csd_confine_path paths[] = {
		{"/usr", tools}, {"/bin", tools}, {"/lib", tools}, {"/lib32", tools}, {"/lib64", tools}, {"/libx32", tools},
		{"/etc/ld.so.cache", CSD_CONFINE_READ}, {"/etc/ld.so.preload", CSD_CONFINE_READ},
		{folder, CSD_CONFINE_READ | CSD_CONFINE_WRITE},
	};
	const struct csd_confine_calls calls = {
		.calls = compile_denied, .count = sizeof(compile_denied) / sizeof(compile_denied[0]),
		.otherwise = SECCOMP_RET_ALLOW,
	};
	int rc;

	rc = csd_confine_privileges(confined);
	if (rc != 0) {
		return compile_say(COMPILE_FAILED, reason, "privileges cannot be given up: %s", strerror(-rc));
	}
	rc = csd_confine_descriptors(confined, 3);
	if (rc != 0) {
		return compile_say(COMPILE_FAILED, reason, "descriptors cannot be closed: %s", strerror(-rc));
	}
	rc = csd_confine_files(confined, paths, sizeof(paths) / sizeof(paths[0]));
	if (rc != 0 && rc != -EOPNOTSUPP) {
		return compile_say(COMPILE_FAILED, reason, "files cannot be closed off by Landlock: %s", strerror(-rc));
	}
	rc = csd_confine_calls(confined, &calls);
	if (rc != 0) {
		return compile_say(COMPILE_FAILED, reason, "calls cannot be closed off by seccomp: %s", strerror(-rc));
	}
	return COMPILE_DONE;
}
