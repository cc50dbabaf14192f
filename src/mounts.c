/*
 * mounts.c - /proc/self/mountinfo, read and kept
 */
#include "mounts.h"
#include "hub.h"
#include "raw.h"
#include "sched.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

#ifndef AT_HANDLE_FID
#define AT_HANDLE_FID	0x200
#endif
#ifndef RESOLVE_CACHED
#define RESOLVE_CACHED	0x20
#endif

struct slot {
	uint64_t key;			/* the mount's id, or its device and DEVICE; 0: free */
	uint64_t speed;
};

#define DEVICE	(1ull << 63)

static struct mounts {
	struct slot *slots;		/* a hash table, at most half full */
	unsigned size, used;		/* size: a power of two, or 0 */
	bool slow;			/* one of them is */
	bool stale;
	bool hopeless;			/* there is no /proc: nothing is known of any mount */
	uint64_t turn;			/* of the hub, when the file was last polled, */
	int fd;				/* and the file, or -1 */
} m = { .stale = true, .fd = -1 };

/* --- kinds of file systems ---------------------------------------------------------------------------------------------------------- */

/* By name, and by what statfs(2) calls it.  What is not here and has no device under it is taken for a server's. */
static const struct kind {
	const char *name;
	unsigned long magic;
	enum gr_speed speed;
} kinds[] = {
	{ "tmpfs", 0x01021994, GR_SPEED_MEMORY },	{ "ramfs", 0x858458f6, GR_SPEED_MEMORY },
	{ "devtmpfs", 0, GR_SPEED_MEMORY },		{ "hugetlbfs", 0x958458f6, GR_SPEED_MEMORY },
	{ "rootfs", 0, GR_SPEED_MEMORY },		{ "devpts", 0x1cd1, GR_SPEED_MEMORY },
	{ "mqueue", 0x19800202, GR_SPEED_MEMORY },	{ "nsfs", 0x6e736673, GR_SPEED_MEMORY },
	{ "secretmem", 0x5345434d, GR_SPEED_MEMORY },	{ "pipefs", 0x50495045, GR_SPEED_MEMORY },
	{ "sockfs", 0x534f434b, GR_SPEED_MEMORY },	{ "anon_inodefs", 0x09041934, GR_SPEED_MEMORY },
	{ "dmabuf", 0x444d4142, GR_SPEED_MEMORY },	{ "pidfs", 0x50494446, GR_SPEED_MEMORY },
	{ "proc", 0x9fa0, GR_SPEED_PSEUDO },		{ "sysfs", 0x62656572, GR_SPEED_PSEUDO },
	{ "cgroup", 0x27e0eb, GR_SPEED_PSEUDO },	{ "cgroup2", 0x63677270, GR_SPEED_PSEUDO },
	{ "cpuset", 0, GR_SPEED_PSEUDO },		{ "debugfs", 0x64626720, GR_SPEED_PSEUDO },
	{ "tracefs", 0x74726163, GR_SPEED_PSEUDO },	{ "securityfs", 0x73636673, GR_SPEED_PSEUDO },
	{ "selinuxfs", 0xf97cff8c, GR_SPEED_PSEUDO },	{ "smackfs", 0x43415d53, GR_SPEED_PSEUDO },
	{ "bpf", 0xcafe4a11, GR_SPEED_PSEUDO },		{ "configfs", 0x62656570, GR_SPEED_PSEUDO },
	{ "pstore", 0x6165676c, GR_SPEED_PSEUDO },	{ "efivarfs", 0xde5e81e4, GR_SPEED_PSEUDO },
	{ "fusectl", 0x65735543, GR_SPEED_PSEUDO },	{ "binfmt_misc", 0x42494e4d, GR_SPEED_PSEUDO },
	{ "rpc_pipefs", 0x67596969, GR_SPEED_PSEUDO },	{ "resctrl", 0x07655821, GR_SPEED_PSEUDO },
	{ "nfsd", 0x6e667364, GR_SPEED_PSEUDO },	{ "functionfs", 0, GR_SPEED_PSEUDO },
	{ "ext4", 0xef53, GR_SPEED_ASYNC },		{ "ext3", 0xef53, GR_SPEED_ASYNC },
	{ "ext2", 0xef53, GR_SPEED_ASYNC },		{ "xfs", 0x58465342, GR_SPEED_ASYNC },
	{ "btrfs", 0x9123683e, GR_SPEED_ASYNC },	{ "bdev", 0x62646576, GR_SPEED_ASYNC },
	{ "f2fs", 0xf2f52010, GR_SPEED_DISK },		{ "overlay", 0x794c7630, GR_SPEED_DISK },
	{ "zfs", 0x2fc12fc1, GR_SPEED_DISK },		{ "bcachefs", 0xca451a4e, GR_SPEED_DISK },
	{ "ecryptfs", 0xf15f, GR_SPEED_DISK },		{ "vfat", 0x4d44, GR_SPEED_DISK },
	{ "exfat", 0x2011bab0, GR_SPEED_DISK },		{ "ntfs3", 0x7366746e, GR_SPEED_DISK },
	{ "squashfs", 0x73717368, GR_SPEED_DISK },	{ "erofs", 0xe0f5e1e2, GR_SPEED_DISK },
	{ "iso9660", 0x9660, GR_SPEED_DISK },		{ "udf", 0x15013346, GR_SPEED_DISK },
	{ "jfs", 0x3153464a, GR_SPEED_DISK },		{ "nilfs2", 0x3434, GR_SPEED_DISK },
	{ "hfsplus", 0x482b, GR_SPEED_DISK },		{ "minix", 0x2468, GR_SPEED_DISK },
	{ "jffs2", 0x72b6, GR_SPEED_DISK },		{ "ubifs", 0x24051905, GR_SPEED_DISK },
	{ "cramfs", 0x28cd3d45, GR_SPEED_DISK },	{ "romfs", 0x7275, GR_SPEED_DISK },
};

enum gr_speed gr_mounts_type(unsigned long f_type)
{
	for (size_t i = 0; i < GR_LENGTH(kinds); i++)
		if (kinds[i].magic == (f_type & 0xffffffff) && f_type)
			return kinds[i].speed;
	return GR_SPEED_SLOW;
}

static bool begins(const char *s, const char *with)
{
	while (*with)
		if (*s++ != *with++)
			return false;
	return true;
}

static enum gr_speed speed_of(const char *type, const char *source)
{
	for (size_t i = 0; i < GR_LENGTH(kinds); i++)
		if (begins(type, kinds[i].name) && strlen(type) == strlen(kinds[i].name))
			return kinds[i].speed;
	return begins(source, "/dev/") && !begins(type, "fuse") ? GR_SPEED_DISK : GR_SPEED_SLOW;
}

/* --- the table ------------------------------------------------------------------------------------------------------------------------ */

static struct slot *slot_of(uint64_t key)
{
	unsigned at = (unsigned)(key ^ key >> 8) * 2654435761u >> 8;

	while (m.slots[at & (m.size - 1)].key && m.slots[at & (m.size - 1)].key != key)
		at++;
	return &m.slots[at & (m.size - 1)];
}

static void drop(struct slot *slots, unsigned size)
{
	if (size)
		raw(SYS_munmap, slots, size * sizeof(*slots));
}

static bool grow(void)
{
	struct slot *old = m.slots;
	unsigned size = m.size;
	long p = raw(SYS_mmap, 0, (size ? 2 * size : 512) * sizeof(*old), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (raw_failed(p))
		return false;
	m.slots = (struct slot *)p;
	m.size = size ? 2 * size : 512;
	for (unsigned i = 0; i < size; i++)
		if (old[i].key)
			*slot_of(old[i].key) = old[i];
	drop(old, size);
	return true;
}

static void add(uint64_t key, enum gr_speed speed)
{
	if (2 * m.used >= m.size && !grow())
		return;			/* not known, then: asked for when it matters */
	m.used++;
	*slot_of(key) = (struct slot){ key, speed };
}

/* --- mountinfo: "36 35 98:0 / /mnt rw,noatime master:1 - ext3 /dev/root rw", blanks within fields written otherwise -------------------- */

struct parser {
	char word[2][24];		/* the type, and the source's beginning */
	unsigned field, n;		/* which field, how much of it we have */
	unsigned after;			/* 0: before the dash; 1: in the type, 2: in the source */
	bool dash;			/* the field so far is a dash */
	uint64_t id, dev[2];		/* major, minor */
	bool minor;
	char place[8];			/* the mount point's beginning */
};

static void end_field(struct parser *p)
{
	if (p->after)
		p->after++;
	else if (p->dash && p->field >= 6)
		p->after = 1;
	p->field++;
	p->n = 0;
	p->dash = false;
}

static void put_char(struct parser *p, char c)
{
	if (p->field == 0)
		p->id = p->id * 10 + (uint64_t)(c - '0');
	if (p->field == 2 && c == ':')
		p->minor = true;
	else if (p->field == 2)
		p->dev[p->minor] = p->dev[p->minor] * 10 + (uint64_t)(c - '0');
	if (p->field == 4 && p->n < sizeof(p->place) - 1)
		p->place[p->n] = c;
	p->dash = p->n == 0 && c == '-';
	if ((p->after == 1 || p->after == 2) && p->n < sizeof(p->word[0]) - 1)
		p->word[p->after - 1][p->n] = c;
	p->n++;
}

static void end_line(struct parser *p)
{
	enum gr_speed speed = speed_of(p->word[0], p->word[1]);

	/* most machines have the trigger for binfmt_misc there, which nobody pulls by accident */
	if (speed == GR_SPEED_SLOW && begins(p->word[0], "autofs") && begins(p->place, "/proc/"))
		speed = GR_SPEED_PSEUDO;
	if (speed == GR_SPEED_SLOW)
		m.slow = true;
	add(p->id, speed);
	add(DEVICE | makedev(p->dev[0], p->dev[1]), speed);
	*p = (struct parser){ 0 };
}

static void parse(struct parser *p, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (text[i] == '\n')
			end_line(p);
		else if (text[i] == ' ')
			end_field(p);
		else
			put_char(p, text[i]);
	}
}

static void read_all(void)
{
	static char text[GR_PAGE];
	struct parser p = { 0 };
	long n, at = 0;

	m.slow = false;
	m.used = 0;
	if (m.size)
		memset(m.slots, 0, m.size * sizeof(*m.slots));
	while ((n = raw(SYS_pread64, m.fd, text, sizeof(text), at)) > 0) {
		parse(&p, text, (size_t)n);
		at += n;
	}
}

/* --- when it changes ------------------------------------------------------------------------------------------------------------------- */

static bool open_file(void)
{
	long fd = raw(SYS_openat, AT_FDCWD, "/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);

	if (raw_failed(fd)) {
		m.hopeless = fd != -EMFILE && fd != -ENFILE && fd != -ENOMEM;
		return false;
	}
	m.fd = gr_own_fd((int)fd);
	return true;
}

static bool has_changed(void)
{
	struct pollfd p = { .fd = m.fd, .events = POLLPRI };

	return raw(SYS_poll, &p, 1, 0) > 0 && (p.revents & (POLLERR | POLLPRI));
}

/* The poll comes first: what changes after it is seen by the next one.  An open file shows the name space and the root of its opening. */
static void look(bool anew)
{
	if (anew && m.fd >= 0) {
		gr_own_fd_close(m.fd);
		m.fd = -1;
	}
	if (m.fd < 0) {
		if (m.hopeless || !open_file())
			return;
		anew = true;
	}
	if (has_changed() || anew)
		read_all();
}

bool gr_mounts_watched;

void gr_mounts_watch(void)
{
	gr_mounts_watched = true;
}

bool gr_mounts_slow(void)
{
	const struct gr_carrier *c = gr_carrier();

	if (gr_alone(c))
		return false;
	if (GR_UNLIKELY(gr_mounts_watched))
		return true;
	if (GR_UNLIKELY(c->stats.hub_turns != m.turn || m.stale)) {
		bool anew = m.stale;

		m.turn = c->stats.hub_turns;	/* first: a descriptor of ours is looked at, too */
		m.stale = false;
		look(anew);
	}
	return m.slow;
}

void gr_mounts_changed(void)
{
	m.stale = true;
	m.hopeless = false;
}

void gr_mounts_fork_child(void)
{
	m.fd = -1;			/* closed with the others of ours */
	gr_mounts_changed();
}

/* --- on which mount? ------------------------------------------------------------------------------------------------------------------- */

/* The line "mnt_id:" of its fdinfo; for kernels and file systems that have no handle to give. */
static int id_from_fdinfo(int fd)
{
	char path[48] = "/proc/self/fdinfo/", text[256], digits[12];
	size_t n = strlen(path), k = 0;
	const char *at;
	long in, got;
	int id = 0;

	do
		digits[k++] = (char)('0' + fd % 10);
	while (fd /= 10);
	while (k)
		path[n++] = digits[--k];
	path[n] = '\0';
	in = raw(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	if (raw_failed(in))
		return -1;
	got = raw(SYS_read, in, text, sizeof(text) - 1);
	raw(SYS_close, in);
	text[got > 0 ? got : 0] = '\0';
	for (at = text; *at && !begins(at, "mnt_id:"); at++)
		;
	for (at += *at ? strlen("mnt_id:") : 0; *at == '\t'; at++)
		;
	for (; *at >= '0' && *at <= '9'; at++)
		id = id * 10 + (*at - '0');
	return id ? id : -1;
}

/* A handle of no length: the answer is that it would be longer, and the mount's id. */
static int mount_id(int fd)
{
	struct file_handle h = { .handle_bytes = 0 };
	int id = -1;

	if (raw(SYS_name_to_handle_at, fd, "", &h, &id, AT_EMPTY_PATH) == -EOVERFLOW)
		return id;
	h.handle_bytes = 0;
	if (raw(SYS_name_to_handle_at, fd, "", &h, &id, AT_EMPTY_PATH | AT_HANDLE_FID) == -EOVERFLOW)
		return id;
	return id_from_fdinfo(fd);
}

enum gr_speed gr_mounts_fd(int fd)
{
	int id = m.size ? mount_id(fd) : -1;

	return id < 0 ? GR_SPEED_NEW : (enum gr_speed)slot_of((uint64_t)id)->speed;
}

enum gr_speed gr_mounts_dev(uint64_t st_dev)
{
	gr_mounts_slow();		/* brings the copy up to date */
	return m.size ? (enum gr_speed)slot_of(DEVICE | st_dev)->speed : GR_SPEED_NEW;
}

bool gr_mounts_path(int dir, const char *path)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_CACHED };
	long fd = raw(SYS_openat2, dir, path, &how, sizeof(how));
	enum gr_speed speed;

	if (raw_failed(fd))		/* what the call itself would say as quickly; the others: not cached, no such call, no descriptor */
		return fd != -ENOTDIR && fd != -ELOOP && fd != -EACCES && fd != -ENAMETOOLONG && fd != -EFAULT && fd != -EBADF;
	speed = gr_mounts_fd((int)fd);
	raw(SYS_close, fd);
	return speed == GR_SPEED_SLOW || speed == GR_SPEED_NEW;
}
