/*
 * green.h - the green calls: our versions of the system calls that block, or that make and end threads
 *
 * Each takes the system call's arguments and returns its result or -errno; -GR_ERESTART where the kernel would restart after a handler
 * with SA_RESTART; GR_CALL_RAW when the kernel itself must be called from the gate.  They run inside the runtime (sched.h).
 */
#ifndef GR_GREEN_H
#define GR_GREEN_H

#include "../base.h"
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

struct clone_args;
struct gr_action;
struct epoll_event;
struct mmsghdr;
struct open_how;
struct rusage;
struct sembuf;

/* thread.c */
long green_clone(unsigned long flags, void *stack, int *parent_tid, int *child_tid, uintptr_t tls);
long green_clone3(struct clone_args *args, size_t size);
long green_fork(void);
long green_vfork(void);
long green_exit(int status);
long green_exit_group(int status);
long green_execve(const char *path, char *const argv[], char *const envp[]);
long green_execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags);
long green_set_tid_address(int *clear_tid);
long green_set_robust_list(void *head, size_t len);
long green_get_robust_list(int tid, long head, long len, long unused);
long green_rseq(void *area, uint32_t len, int flags, uint32_t sig);
long green_gettid(void);
long green_sched_yield(void);
long green_arch_prctl(int code, unsigned long addr);
long green_prctl(int option, unsigned long a, unsigned long b, unsigned long d, unsigned long e);
long green_sched_setparam(int tid, long b, long d, long e);
long green_sched_getparam(int tid, long b, long d, long e);
long green_sched_setscheduler(int tid, long b, long d, long e);
long green_sched_getscheduler(int tid, long b, long d, long e);
long green_sched_setaffinity(int tid, long b, long d, long e);
long green_sched_getaffinity(int tid, long b, long d, long e);
long green_sched_rr_get_interval(int tid, long b, long d, long e);
long green_sched_setattr(int tid, long b, long d, long e);
long green_sched_getattr(int tid, long b, long d, long e);
long green_prlimit64(int tid, long b, long d, long e);
long green_getpgid(int tid, long b, long d, long e);
long green_getsid(int tid, long b, long d, long e);
long green_ioprio_set(int which, int who, int prio);
long green_ioprio_get(int which, int who);
long green_setpriority(int which, int who, int prio);
long green_getpriority(int which, int who);
void gr_thread_starts(void);

/* spawn.c: can the carrier go on while the child is still in our memory?  Then made like this; returns when the child has left. */
bool gr_spawn_is(uint64_t flags, bool own_stack);
long gr_spawn_clone(uint64_t flags, void *stack, int *parent_tid, uintptr_t tls);
long gr_spawn_clone3(const struct clone_args *args, size_t size);

/* signal.c */
long green_rt_sigaction(int sig, const struct gr_action *act, struct gr_action *old, size_t size);
long green_rt_sigprocmask(int how, const uint64_t *set, uint64_t *old, size_t size);
long green_rt_sigpending(uint64_t *set, size_t size);
long green_tgkill(int tgid, int tid, int sig);
long green_tkill(int tid, int sig);
long green_rt_tgsigqueueinfo(int tgid, int tid, int sig, const siginfo_t *info);
long green_pause(void);
long green_rt_sigsuspend(const uint64_t *set, size_t size);
long green_rt_sigtimedwait(const uint64_t *set, siginfo_t *info, const struct timespec *timeout, size_t size);
long green_timer_create(clockid_t clock, const struct sigevent *event, int *ret_id);
long green_timer_delete(int id);
long green_timer_settime(int id, int flags, const struct itimerspec *at, struct itimerspec *was);
long green_timer_gettime(int id, struct itimerspec *left);
long green_timer_getoverrun(int id);
long green_signalfd(int fd, const uint64_t *mask, size_t size);
long green_signalfd4(int fd, const uint64_t *mask, size_t size, int flags);
long green_kill(int pid, int sig);
long green_rt_sigqueueinfo(int pid, int sig, const siginfo_t *info);
long green_sigaltstack(const stack_t *ss, stack_t *old);

/* io.c */
long green_read(int fd, void *buf, size_t n);
long green_write(int fd, const void *buf, size_t n);
long green_readv(int fd, const struct iovec *iov, int count);
long green_writev(int fd, const struct iovec *iov, int count);
long green_pread64(int fd, void *buf, size_t n, off_t at);
long green_pwrite64(int fd, const void *buf, size_t n, off_t at);
long green_preadv(int fd, const struct iovec *iov, int count, unsigned long lo, unsigned long hi);
long green_pwritev(int fd, const struct iovec *iov, int count, unsigned long lo, unsigned long hi);
long green_preadv2(int fd, const struct iovec *iov, int count, unsigned long lo, unsigned long hi, int flags);
long green_pwritev2(int fd, const struct iovec *iov, int count, unsigned long lo, unsigned long hi, int flags);
long green_close(int fd);
long green_close_range(unsigned first, unsigned last, unsigned flags);
long green_dup(int fd);
long green_dup2(int from, int to);
long green_dup3(int from, int to, int flags);
long green_pipe(int *fds);
long green_pipe2(int *fds, int flags);
long green_eventfd(unsigned count);
long green_eventfd2(unsigned count, int flags);
long green_epoll_create(int size);
long green_epoll_create1(int flags);
long green_timerfd_create(int clock, int flags);

/* net.c */
long green_recvfrom(int fd, void *buf, size_t n, int flags, struct sockaddr *from, socklen_t *fromlen);
long green_sendto(int fd, const void *buf, size_t n, int flags, const struct sockaddr *to, socklen_t tolen);
long green_recvmsg(int fd, struct msghdr *msg, int flags);
long green_sendmsg(int fd, const struct msghdr *msg, int flags);
long green_recvmmsg(int fd, struct mmsghdr *vec, unsigned n, int flags, struct timespec *timeout);
long green_sendmmsg(int fd, struct mmsghdr *vec, unsigned n, int flags);
long green_accept(int fd, struct sockaddr *addr, socklen_t *len);
long green_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
long green_connect(int fd, const struct sockaddr *addr, socklen_t len);
long green_bind(int fd, const struct sockaddr *addr, socklen_t len);
long green_listen(int fd, int backlog);
long green_socket(int domain, int type, int protocol);
long green_socketpair(int domain, int type, int protocol, int *fds);
long green_setsockopt(int fd, int level, int name, const void *value, socklen_t len);

/* poll.c */
long green_poll(struct pollfd *fds, unsigned n, int timeout);
long green_ppoll(struct pollfd *fds, unsigned n, struct timespec *timeout, const uint64_t *sigmask, size_t masksize);

/* select.c; sigmask_arg: the kernel's pair of a pointer to the mask and its size */
long green_select(int n, unsigned long *in, unsigned long *out, unsigned long *ex, struct timeval *timeout);
long green_pselect6(int n, unsigned long *in, unsigned long *out, unsigned long *ex, struct timespec *timeout,
		    const void *sigmask_arg);

/* epoll.c */
long green_epoll_wait(int epfd, struct epoll_event *events, int max, int timeout);
long green_epoll_pwait(int epfd, struct epoll_event *events, int max, int timeout, const uint64_t *sigmask, size_t masksize);
long green_epoll_pwait2(int epfd, struct epoll_event *events, int max, const struct timespec *timeout, const uint64_t *sigmask,
			size_t masksize);

/* time.c */
long green_nanosleep(const struct timespec *req, struct timespec *rem);
long green_clock_nanosleep(clockid_t clock, int flags, const struct timespec *req, struct timespec *rem);

/* wait.c */
long green_wait4(int pid, int *status, int options, struct rusage *usage);
long green_waitid(int which, int id, siginfo_t *info, int options, struct rusage *usage);

/* ipc.c */
long green_semop(int semid, struct sembuf *ops, size_t n);
long green_semtimedop(int semid, struct sembuf *ops, size_t n, const struct timespec *timeout);
long green_msgsnd(int msqid, const void *msg, size_t size, int flags);
long green_msgrcv(int msqid, void *msg, size_t size, long type, int flags);
long green_fanotify_mark(int fd, unsigned flags, uint64_t mask, int dir, const char *path);
long green_userfaultfd(int flags);
struct io_uring_params;
long green_io_uring_setup(unsigned entries, struct io_uring_params *params);
long green_io_uring_register(int fd, unsigned op, void *arg, unsigned n);
long green_io_uring_enter(int fd, unsigned submit, unsigned min, unsigned flags, const void *arg, size_t size);

long green_mq_timedsend(int mq, const char *msg, size_t size, unsigned prio, const struct timespec *until);
long green_mq_timedreceive(int mq, char *msg, size_t size, unsigned *prio, const struct timespec *until);

/* memory.c */
long green_mmap(uintptr_t addr, size_t size, int prot, int flags, int fd, off_t at);
long green_munmap(uintptr_t addr, size_t size);
long green_mremap(uintptr_t from, size_t old_size, size_t new_size, int flags, uintptr_t to);
long green_shmat(int id, uintptr_t addr, int flags);
long green_mprotect(uintptr_t addr, size_t size, int prot);

/* path.c */
#define GR_SIX(name) long name(long a, long b, long c, long d, long e, long f)
GR_SIX(green_stat); GR_SIX(green_lstat); GR_SIX(green_access); GR_SIX(green_readlink); GR_SIX(green_chdir);
GR_SIX(green_truncate); GR_SIX(green_mkdir); GR_SIX(green_rmdir); GR_SIX(green_unlink); GR_SIX(green_mknod); GR_SIX(green_chmod);
GR_SIX(green_chown); GR_SIX(green_lchown); GR_SIX(green_utime); GR_SIX(green_utimes); GR_SIX(green_statfs);
GR_SIX(green_setxattr); GR_SIX(green_lsetxattr); GR_SIX(green_getxattr); GR_SIX(green_lgetxattr); GR_SIX(green_listxattr);
GR_SIX(green_llistxattr); GR_SIX(green_removexattr); GR_SIX(green_lremovexattr); GR_SIX(green_newfstatat); GR_SIX(green_statx);
GR_SIX(green_faccessat); GR_SIX(green_faccessat2); GR_SIX(green_readlinkat); GR_SIX(green_mkdirat); GR_SIX(green_unlinkat);
GR_SIX(green_mknodat); GR_SIX(green_fchmodat); GR_SIX(green_fchmodat2); GR_SIX(green_fchownat); GR_SIX(green_utimensat);
GR_SIX(green_futimesat); GR_SIX(green_name_to_handle_at); GR_SIX(green_setxattrat); GR_SIX(green_getxattrat);
GR_SIX(green_listxattrat); GR_SIX(green_removexattrat); GR_SIX(green_file_getattr); GR_SIX(green_file_setattr);
GR_SIX(green_fstat); GR_SIX(green_fstatfs); GR_SIX(green_fchmod); GR_SIX(green_fchown); GR_SIX(green_fchdir);
GR_SIX(green_fsetxattr); GR_SIX(green_fgetxattr); GR_SIX(green_flistxattr); GR_SIX(green_fremovexattr);
GR_SIX(green_open_by_handle_at); GR_SIX(green_rename); GR_SIX(green_link); GR_SIX(green_symlink); GR_SIX(green_renameat);
GR_SIX(green_renameat2); GR_SIX(green_linkat); GR_SIX(green_symlinkat); GR_SIX(green_inotify_add_watch);
GR_SIX(green_chroot);
long green_lseek(long fd, long at, long whence);
long green_getdents(long fd, long entries, long n);
long green_getdents64(long fd, long entries, long n);
long green_ftruncate(int fd, off_t size);
bool gr_path_slow(int dir, const char *path);		/* may a call on it wait for a server? */

/* file.c */
long green_open(const char *path, int flags, mode_t mode);
long green_openat(int dir, const char *path, int flags, mode_t mode);
long green_openat2(int dir, const char *path, struct open_how *how, size_t size);
long green_creat(const char *path, mode_t mode);
long green_flock(int fd, int op);
long green_fcntl(int fd, int cmd, long arg);
long green_fsync(int fd);
long green_fdatasync(int fd);
long green_sync(void);
long green_syncfs(int fd);
long green_sync_file_range(int fd, off_t at, off_t n, unsigned flags);
long green_msync(uintptr_t addr, size_t size, int flags);
long green_fallocate(int fd, int mode, off_t at, off_t n);
long green_copy_file_range(int in, off_t *in_at, int out, off_t *out_at, size_t n, unsigned flags);
long green_mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data);
long green_umount2(const char *target, int flags);
long green_swapon(const char *path, int flags);
long green_swapoff(const char *path);
long green_quotactl(int cmd, const char *special, int id, void *addr);

/* aio.c */
long green_io_submit(unsigned long ctx, long n, void *iocbs);
long green_io_destroy(unsigned long ctx);
long green_io_getevents(unsigned long ctx, long min, long max, void *events, struct timespec *timeout);
long green_io_pgetevents(unsigned long ctx, long min, long max, void *events, struct timespec *timeout, const void *sigmask_arg);

/* mount.c */
long green_fsopen(long a, long b, long c, long d, long e, long f);
long green_fsconfig(long a, long b, long c, long d, long e, long f);
long green_fsmount(long a, long b, long c, long d, long e, long f);
long green_fspick(long a, long b, long c, long d, long e, long f);
long green_open_tree(long a, long b, long c, long d, long e, long f);
long green_open_tree_attr(long a, long b, long c, long d, long e, long f);
long green_move_mount(long a, long b, long c, long d, long e, long f);
long green_mount_setattr(long a, long b, long c, long d, long e, long f);
long green_pivot_root(const char *root, const char *put_old);
long green_quotactl_fd(long a, long b, long c, long d, long e, long f);
long green_ustat(long a, long b, long c, long d, long e, long f);

/* pages.c */
long green_readahead(long a, long b, long c, long d, long e, long f);
long green_fadvise64(int fd, off_t at, off_t size, int advice);
long green_madvise(uintptr_t addr, size_t size, int advice);
long green_mlock(long a, long b, long c, long d, long e, long f);
long green_mlock2(long a, long b, long c, long d, long e, long f);
long green_mlockall(long a, long b, long c, long d, long e, long f);
long green_process_madvise(long a, long b, long c, long d, long e, long f);
long green_process_mrelease(long a, long b, long c, long d, long e, long f);
long green_mbind(uintptr_t addr, size_t size, int mode, const unsigned long *nodes, unsigned long max, unsigned flags);
long green_migrate_pages(int pid, unsigned long max, const unsigned long *from, const unsigned long *to);
long green_move_pages(int pid, unsigned long n, const void **pages, const int *nodes, int *status, int flags);

/* system.c */
long green_init_module(long a, long b, long c, long d, long e, long f);
long green_finit_module(long a, long b, long c, long d, long e, long f);
long green_delete_module(long a, long b, long c, long d, long e, long f);
long green_kexec_load(long a, long b, long c, long d, long e, long f);
long green_kexec_file_load(long a, long b, long c, long d, long e, long f);
long green_acct(long a, long b, long c, long d, long e, long f);
long green_vhangup(long a, long b, long c, long d, long e, long f);
long green_getrandom(void *buf, size_t n, unsigned flags);
long green_syslog(int type, char *buf, int n);
long green_membarrier(int cmd, unsigned flags, int cpu);
long green_bpf(int cmd, void *attr, unsigned size);
long green_request_key(const char *type, const char *description, const char *callout, int keyring);
long green_keyctl(int op, long a, long b, long c, long d);

/* splice.c */
long green_sendfile(int out, int in, off_t *at, size_t n);
long green_splice(int in, off_t *in_at, int out, off_t *out_at, size_t n, unsigned flags);
long green_tee(int in, int out, size_t n, unsigned flags);
long green_vmsplice(int fd, const struct iovec *iov, size_t count, unsigned flags);

/* ioctl.c */
long green_ioctl(int fd, unsigned request, long arg);

/* creds.c */
long green_setuid(long a, long b, long c);
long green_setgid(long a, long b, long c);
long green_setreuid(long a, long b, long c);
long green_setregid(long a, long b, long c);
long green_setresuid(long a, long b, long c);
long green_setresgid(long a, long b, long c);
long green_setfsuid(long a, long b, long c);
long green_setfsgid(long a, long b, long c);
long green_setgroups(long a, long b, long c);
long green_capset(long a, long b, long c);
long green_seccomp(long a, long b, long c);
long green_landlock_restrict_self(long a, long b, long c);
long green_unshare(unsigned long flags);
long green_setns(int fd, int type);

#endif
