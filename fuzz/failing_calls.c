/* Preloaded into a process: makes the n-th call that changes a watched folder fail, or kills at it.
 *
 * influ_arm(folder, n, error, stays): n counts from 1; error is an errno, or 0 for SIGKILL. stays: each call from the n-th on
 * that needs room fails, as on a disk that is full; else the n-th alone, whatever it is.
 * influ_count(): how many such calls there were since.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define MOST 4096
static char folder[1024];
static atomic_long calls, fails_at;
static atomic_int with_error, disk_stays_full;
static atomic_char watched[MOST];

void influ_arm(const char *place, long n, int error, int stays) {
    strncpy(folder, place, sizeof folder - 1);
    calls = 0;
    with_error = error;
    disk_stays_full = stays;
    fails_at = n;
}

long influ_count(void) { return calls; }

static int is_inside(const char *path) {
    size_t length = strlen(folder);
    return length && path && !strncmp(path, folder, length) && (path[length] == '/' || !path[length]);
}

static int is_watched(int fd) { return fd >= 0 && fd < MOST && watched[fd]; }

static int concerns(int at, const char *path) {
    return is_inside(path) || (path && path[0] != '/' && is_watched(at));
}

/* Whether this call is one that fails. */
static int fails(int concerned, int needs_room) {
    if (!concerned) return 0;
    long n = ++calls;
    if (disk_stays_full ? n < fails_at || !needs_room : n != fails_at) return 0;
    if (!with_error) kill(getpid(), SIGKILL);
    errno = with_error;
    return 1;
}

#define REAL(name) ({ static __typeof__(&name) real; \
    if (!real) { real = (__typeof__(&name))dlsym(RTLD_NEXT, #name); } real; })

static int opened(int fd, int concerned) {
    if (fd >= 0 && fd < MOST) watched[fd] = concerned;
    return fd;
}

#define OPEN(name, at, decl, ...) \
    int name decl { \
        mode_t mode = 0; \
        if (flags & (O_CREAT | __O_TMPFILE)) { \
            va_list list; va_start(list, flags); mode = va_arg(list, mode_t); va_end(list); } \
        int concerned = concerns(at, path); \
        int writes = (flags & O_ACCMODE) != O_RDONLY || flags & O_CREAT; \
        if (fails(concerned && writes, flags & O_CREAT)) return -1; \
        return opened(REAL(name)(__VA_ARGS__, mode), concerned); \
    }
OPEN(open, AT_FDCWD, (const char *path, int flags, ...), path, flags)
OPEN(open64, AT_FDCWD, (const char *path, int flags, ...), path, flags)
OPEN(openat, at, (int at, const char *path, int flags, ...), at, path, flags)
OPEN(openat64, at, (int at, const char *path, int flags, ...), at, path, flags)

int close(int fd) {
    if (fd >= 0 && fd < MOST) watched[fd] = 0;
    return REAL(close)(fd);
}

#define ON_FD(result, name, decl, ...) \
    result name decl { return fails(is_watched(fd), 1) ? -1 : REAL(name)(__VA_ARGS__); }
ON_FD(ssize_t, write, (int fd, const void *data, size_t size), fd, data, size)
ON_FD(ssize_t, pwrite, (int fd, const void *data, size_t size, off_t at), fd, data, size, at)
ON_FD(ssize_t, pwrite64, (int fd, const void *data, size_t size, off64_t at), fd, data, size, at)
ON_FD(ssize_t, writev, (int fd, const struct iovec *parts, int count), fd, parts, count)
ON_FD(int, fsync, (int fd), fd)
ON_FD(int, fdatasync, (int fd), fd)
ON_FD(int, ftruncate, (int fd, off_t size), fd, size)
ON_FD(int, ftruncate64, (int fd, off64_t size), fd, size)
ON_FD(int, fchmod, (int fd, mode_t mode), fd, mode)

#define ON_PATH(name, room, decl, ...) \
    int name decl { return fails(concerns(AT_FDCWD, path), room) ? -1 : REAL(name)(__VA_ARGS__); }
#define ON_PATH_AT(name, room, decl, ...) \
    int name decl { return fails(concerns(at, path), room) ? -1 : REAL(name)(__VA_ARGS__); }
ON_PATH(unlink, 0, (const char *path), path)
ON_PATH(rmdir, 0, (const char *path), path)
ON_PATH(mkdir, 1, (const char *path, mode_t mode), path, mode)
ON_PATH(chmod, 0, (const char *path, mode_t mode), path, mode)
ON_PATH(rename, 0, (const char *path, const char *to), path, to)
ON_PATH(link, 1, (const char *path, const char *to), path, to)
ON_PATH_AT(unlinkat, 0, (int at, const char *path, int flags), at, path, flags)
ON_PATH_AT(mkdirat, 1, (int at, const char *path, mode_t mode), at, path, mode)
ON_PATH_AT(fchmodat, 0, (int at, const char *path, mode_t mode, int flags), at, path, mode, flags)
ON_PATH_AT(renameat, 0, (int at, const char *path, int to_at, const char *to), at, path, to_at, to)
ON_PATH_AT(linkat, 1, (int at, const char *path, int to_at, const char *to, int flags), at, path,
           to_at, to, flags)
