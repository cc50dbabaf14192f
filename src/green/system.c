/*
 * system.c - the kernel's own affairs: modules, keys, random numbers, its log, programs of its own
 */
#include "green.h"
#include "offloaded.h"
#include "../raw.h"
#include "../signal.h"
#include <errno.h>
#include <linux/bpf.h>
#include <linux/keyctl.h>
#include <linux/membarrier.h>
#include <sys/random.h>

OFFLOADED(green_init_module, SYS_init_module)
OFFLOADED(green_finit_module, SYS_finit_module)
OFFLOADED(green_delete_module, SYS_delete_module)
OFFLOADED(green_kexec_load, SYS_kexec_load)
OFFLOADED(green_kexec_file_load, SYS_kexec_file_load)
OFFLOADED(green_acct, SYS_acct)
OFFLOADED(green_vhangup, SYS_vhangup)

/* It waits only until the pool of random numbers is filled, in the first seconds of a machine. */
long green_getrandom(void *buf, size_t n, unsigned flags)
{
	long r = raw(SYS_getrandom, buf, n, flags | GRND_NONBLOCK);

	return r == -EAGAIN && !(flags & GRND_NONBLOCK) ? gr_offload(SYS_getrandom, (long)buf, (long)n, flags, 0, 0, 0) : r;
}

enum { LOG_READ = 2 };		/* SYSLOG_ACTION_READ */

long green_syslog(int type, char *buf, int n)
{
	return type == LOG_READ ? gr_offload(SYS_syslog, type, (long)buf, n, 0, 0, 0) : raw(SYS_syslog, type, buf, n);
}

/* It waits for all processors to have passed through their schedulers. */
long green_membarrier(int cmd, unsigned flags, int cpu)
{
	if (cmd != MEMBARRIER_CMD_GLOBAL)
		return raw(SYS_membarrier, cmd, flags, cpu);
	return gr_offload_nointr(SYS_membarrier, cmd, flags, cpu, 0, 0, 0);
}

/* --- programs for the kernel ------------------------------------------------------------------------------------------------- */

/* Checking a program takes as long as it is difficult, running it as often as it is told to, batches as long as they are. */
static bool bpf_takes_time(int cmd)
{
	return cmd == BPF_PROG_LOAD || cmd == BPF_PROG_TEST_RUN || cmd == BPF_BTF_LOAD ||
	       (cmd >= BPF_MAP_LOOKUP_BATCH && cmd <= BPF_MAP_DELETE_BATCH);
}

long green_bpf(int cmd, void *attr, unsigned size)
{
	if (!bpf_takes_time(cmd))
		return raw(SYS_bpf, cmd, attr, size);
	return gr_offload_nointr(SYS_bpf, cmd, (long)attr, size, 0, 0, 0);
}

/* --- keys -------------------------------------------------------------------------------------------------------------------- */

/*
 * A key that is not there is made by a program that the kernel starts, if there is callout information.  A search without it does
 * not start one, and is made here, where the keyrings of the carrier are.
 */
long green_request_key(const char *type, const char *description, const char *callout, int keyring)
{
	char c;
	long r;

	if (!callout || keyring == KEY_SPEC_THREAD_KEYRING)
		return raw(SYS_request_key, type, description, callout, keyring);
	if (gr_user_read(&c, callout, 1) < 0)
		return -EFAULT;
	r = raw(SYS_request_key, type, description, 0, keyring);
	return r == -ENOKEY ? gr_offload(SYS_request_key, (long)type, (long)description, (long)callout, keyring, 0, 0) : r;
}

/* Arithmetic, perhaps by a device of the machine */
static bool key_computes(int op)
{
	return op == KEYCTL_DH_COMPUTE || (op >= KEYCTL_PKEY_ENCRYPT && op <= KEYCTL_PKEY_VERIFY);
}

long green_keyctl(int op, long a, long b, long c, long d)
{
	long r;

	if (key_computes(op))
		return gr_offload_nointr(SYS_keyctl, op, a, b, c, d, 0);
	r = raw(SYS_keyctl, op, a, b, c, d);
	if (!raw_failed(r) && (op == KEYCTL_JOIN_SESSION_KEYRING || op == KEYCTL_GET_KEYRING_ID))
		gr_offload_retire();		/* which have the keyrings that were there when they were made */
	return r;
}
