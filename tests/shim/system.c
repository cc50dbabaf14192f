/*
 * system.c - calls about the kernel itself, with arguments that it refuses or that change nothing
 */
#include "t.h"
#include <linux/bpf.h>
#include <linux/keyctl.h>
#include <linux/membarrier.h>
#include <sys/klog.h>
#include <sys/random.h>

static void modules(void)
{
	static char garbage[64] = "not a module";

	say("--- modules");
	R("init_module", syscall(SYS_init_module, garbage, sizeof(garbage), ""));
	R("init_module: bad pointer", syscall(SYS_init_module, T_BAD, 64L, ""));
	R("finit_module", syscall(SYS_finit_module, 9999, "", 0));
	R("delete_module", syscall(SYS_delete_module, "grove-has-none", O_NONBLOCK));
	R("kexec_load: too many parts", syscall(SYS_kexec_load, 0L, 1000L, NULL, 0L));
	R("kexec_file_load: not open", syscall(SYS_kexec_file_load, 9999, 9999, 0L, NULL, 0L));
}

static void others(void)
{
	char line[4];
	pid_t pid;

	say("--- others");
	R("acct: no such file", acct("/nonexistent/grove"));
	R("acct: bad pointer", acct(T_BAD));
	R("the log: how much", klogctl(10, NULL, 0) >= 0 ? 0 : -1);
	R("the log: read, no room", klogctl(2, line, 0));
	R("the log: read, nowhere", klogctl(2, NULL, 4));
	R("the log: no such thing", klogctl(99, NULL, 0));
	pid = fork();
	if (pid == 0) {
		setsid();	/* no terminal to hang up */
		R("vhangup", vhangup());
		_exit(0);
	}
	say("the child: %d", t_reap(pid));
}

static void barriers(void)
{
	long can = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);

	say("--- membarrier");
	say("query: %d", can > 0);
	R("global", syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0));
	R("private, unregistered", syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0));
	R("register", syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
	R("private", syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
	R("global: flags", syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 1, 0));
	R("no such command", syscall(SYS_membarrier, 1 << 30, 0, 0));
}

static void numbers(void)
{
	static char big[100000], zeros[64];
	int different = 0;

	say("--- random numbers");
	R("some", getrandom(big, 64, 0));
	different += memcmp(big, zeros, 64) != 0;
	R("many", getrandom(big, sizeof(big), 0));
	R("not waiting", getrandom(big, 16, GRND_NONBLOCK));
	R("of the other pool", getrandom(big, 16, GRND_RANDOM));
	R("none", getrandom(NULL, 0, 0));
	R("bad pointer", getrandom(T_BAD, 64, 0));
	R("flags", getrandom(big, 64, 0x100));
	YES("random", different);
}

static void programs(void)
{
	static const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_SOCKET_FILTER, .insns = (uintptr_t)insns, .insn_cnt = T_LENGTH(insns),
				.license = (uintptr_t)"GPL" };
	int fd;

	say("--- bpf");
	fd = (int)OK("load", syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr)));
	close(fd);
	attr.insn_cnt = 1;
	R("load: no end", syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr)));
	R("load: bad pointer", syscall(SYS_bpf, BPF_PROG_LOAD, T_BAD, sizeof(attr)));
	memset(&attr, 0, sizeof(attr));
	attr.test.prog_fd = 9999;
	R("run: not open", syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attr, sizeof(attr)));
	R("no such command", syscall(SYS_bpf, 9999, &attr, sizeof(attr)));
}

static void keys(void)
{
	char text[16] = "", none[2][64];
	long id;

	say("--- keys");
	for (int i = 0; i < 2; i++)		/* the kernel remembers for a while that there was none */
		snprintf(none[i], sizeof(none[i]), "grove-none-%d-%d-%lld", i, getpid(), now_ns());
	id = OK("add", syscall(SYS_add_key, "user", "grove-test", "secret", 6L, KEY_SPEC_PROCESS_KEYRING));
	OK("find", syscall(SYS_request_key, "user", "grove-test", NULL, 0));
	OK("find, else make", syscall(SYS_request_key, "user", "grove-test", "x", KEY_SPEC_PROCESS_KEYRING));
	R("find none", syscall(SYS_request_key, "user", "grove-no-such-key", NULL, 0));
	R("make none", syscall(SYS_request_key, "user", none[0], "x", 0));
	R("make none, for this thread", syscall(SYS_request_key, "user", none[1], "x", KEY_SPEC_THREAD_KEYRING));
	R("no such type", syscall(SYS_request_key, "grove-no-such-type", "x", "x", 0));
	R("bad pointer", syscall(SYS_request_key, "user", "grove-test", T_BAD, 0));
	R("read", syscall(SYS_keyctl, KEYCTL_READ, id, text, sizeof(text)));
	say("it is %s", text);
	OK("thread keyring", syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_THREAD_KEYRING, 1));
	R("compute: bad pointer", syscall(SYS_keyctl, KEYCTL_DH_COMPUTE, T_BAD, text, 0L, NULL));
	R("no such operation", syscall(SYS_keyctl, 999, 0, 0, 0));
}

int main(void)
{
	t_begin();
	modules();
	others();
	barriers();
	numbers();
	programs();
	keys();
	return 0;
}
