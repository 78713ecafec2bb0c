/* System calls that fail, and clocks that jump, for a program that is started with this library in LD_PRELOAD.

Only calls on paths below FAIL_UNDER count. The FAIL_AT-th call (from 1) of the kinds in FAIL_KINDS fails with errno
FAIL_WITH, once, or from then on if FAIL_ON is 1; FAIL_LOG gets a line for each call of these kinds. All of it can also
be set in a running process with interposed_arm. CLOCK_OFFSET names a file with the seconds (a double) by which the
time of day is wrong. NO_LOCKS=1 makes flock succeed without locking, as some network file systems do. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind { WRITE, SYNC, RENAME, CREATE, UNLINK, MKDIR, TRUNCATE, READ };
static const char *const NAMES[] = {"write", "fsync", "rename", "create", "unlink", "mkdir", "truncate", "read"};

static char under[PATH_MAX];
static size_t length;
static unsigned kinds;
static long at, seen;
static int fault, from_then_on, log_file = -1, no_locks;
static const volatile double *offset;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

#define REAL(result, name, ...) \
    static result (*real)(__VA_ARGS__); \
    if (!real) real = (result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

void interposed_arm(const char *folder, unsigned which, long number, int with, int on, const char *log)
{
    length = strlen(folder);
    memcpy(under, folder, length + 1);
    kinds = which;
    at = number;
    fault = with;
    from_then_on = on;
    seen = 0;
    log_file = *log ? (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
}

static const char *variable(const char *name) { const char *value = getenv(name); return value ? value : ""; }

__attribute__((constructor)) static void from_environment(void)
{
    no_locks = *variable("NO_LOCKS") != 0;
    if (*variable("CLOCK_OFFSET")) {
        int file = (int)syscall(SYS_openat, AT_FDCWD, variable("CLOCK_OFFSET"), O_RDONLY | O_CLOEXEC, 0);
        void *shared = mmap(NULL, sizeof(double), PROT_READ, MAP_SHARED, file, 0);
        offset = shared == MAP_FAILED ? NULL : shared;
        close(file);
    }
    if (*variable("FAIL_UNDER"))
        interposed_arm(variable("FAIL_UNDER"), (unsigned)atoi(variable("FAIL_KINDS")), atol(variable("FAIL_AT")),
                       atoi(variable("FAIL_WITH")), atoi(variable("FAIL_ON")), variable("FAIL_LOG"));
}

/* Whether this call has to fail; then errno is set. */
static int fails(enum kind kind, const char *path)
{
    if (!length || !(kinds & 1u << kind) || strncmp(path, under, length)) return 0;
    pthread_mutex_lock(&mutex);
    long number = ++seen;
    int now = at > 0 && (number == at || (from_then_on && number > at));
    pthread_mutex_unlock(&mutex);
    if (log_file >= 0) {
        char line[PATH_MAX + 64];
        int size = snprintf(line, sizeof line, "%s %ld %s %s\n", now ? "failed" : "passed", number, NAMES[kind], path);
        syscall(SYS_write, log_file, line, size);
    }
    if (now) errno = fault;
    return now;
}

static int fails_file(enum kind kind, int file)
{
    if (!length || !(kinds & 1u << kind)) return 0;
    char link[64], path[PATH_MAX];
    int before = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    long size = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    errno = before;
    if (size < 0) return 0;
    path[size] = 0;
    return fails(kind, path);
}

static int fails_at(enum kind kind, int folder, const char *name)
{
    if (!length || !(kinds & 1u << kind)) return 0;
    if (*name == '/') return fails(kind, name);
    char link[64] = "/proc/self/cwd", path[2 * PATH_MAX];
    if (folder != AT_FDCWD) snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    long size = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX);
    if (size < 0) return 0;
    snprintf(path + size, sizeof path - (size_t)size, "/%s", name);
    return fails(kind, path);
}

ssize_t write(int file, const void *bytes, size_t size)
{
    REAL(ssize_t, "write", int, const void *, size_t);
    return fails_file(WRITE, file) ? -1 : real(file, bytes, size);
}
ssize_t pwrite64(int file, const void *bytes, size_t size, off64_t where)
{
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
    return fails_file(WRITE, file) ? -1 : real(file, bytes, size, where);
}
ssize_t pwrite(int file, const void *bytes, size_t size, off_t where) { return pwrite64(file, bytes, size, where); }
ssize_t writev(int file, const struct iovec *pieces, int count)
{
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    return fails_file(WRITE, file) ? -1 : real(file, pieces, count);
}
ssize_t read(int file, void *bytes, size_t size)
{
    REAL(ssize_t, "read", int, void *, size_t);
    return fails_file(READ, file) ? -1 : real(file, bytes, size);
}
ssize_t pread64(int file, void *bytes, size_t size, off64_t where)
{
    REAL(ssize_t, "pread64", int, void *, size_t, off64_t);
    return fails_file(READ, file) ? -1 : real(file, bytes, size, where);
}
ssize_t pread(int file, void *bytes, size_t size, off_t where) { return pread64(file, bytes, size, where); }
int fsync(int file) { REAL(int, "fsync", int); return fails_file(SYNC, file) ? -1 : real(file); }
int fdatasync(int file) { REAL(int, "fdatasync", int); return fails_file(SYNC, file) ? -1 : real(file); }
int syncfs(int file) { REAL(int, "syncfs", int); return fails_file(SYNC, file) ? -1 : real(file); }
int ftruncate64(int file, off64_t size)
{
    REAL(int, "ftruncate64", int, off64_t);
    return fails_file(TRUNCATE, file) ? -1 : real(file, size);
}
int ftruncate(int file, off_t size) { return ftruncate64(file, size); }
int renameat(int from, const char *old, int to, const char *new)
{
    REAL(int, "renameat", int, const char *, int, const char *);
    return fails_at(RENAME, to, new) ? -1 : real(from, old, to, new);
}
int rename(const char *old, const char *new) { return renameat(AT_FDCWD, old, AT_FDCWD, new); }
int unlinkat(int folder, const char *name, int flags)
{
    REAL(int, "unlinkat", int, const char *, int);
    return fails_at(UNLINK, folder, name) ? -1 : real(folder, name, flags);
}
int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }
int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }
int mkdirat(int folder, const char *name, mode_t mode)
{
    REAL(int, "mkdirat", int, const char *, mode_t);
    return fails_at(MKDIR, folder, name) ? -1 : real(folder, name, mode);
}
int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }

int openat64(int folder, const char *name, int flags, ...)
{
    REAL(int, "openat64", int, const char *, int, ...);
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
    va_end(more);
    return flags & O_CREAT && fails_at(CREATE, folder, name) ? -1 : real(folder, name, flags, mode);
}
#define MODE(flags) mode_t mode = 0; if ((flags) & O_CREAT) { va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); }
int openat(int folder, const char *name, int flags, ...) { MODE(flags) return openat64(folder, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE(flags) return openat64(AT_FDCWD, name, flags, mode); }
int open(const char *name, int flags, ...) { MODE(flags) return openat64(AT_FDCWD, name, flags, mode); }

int flock(int file, int how) { REAL(int, "flock", int, int); return no_locks ? 0 : real(file, how); }

int clock_gettime(clockid_t clock, struct timespec *now)
{
    REAL(int, "clock_gettime", clockid_t, struct timespec *);
    int result = real(clock, now);
    if (!result && offset && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        double whole = floor(*offset);
        now->tv_sec += (time_t)whole;
        now->tv_nsec += (long)((*offset - whole) * 1e9);
        if (now->tv_nsec >= 1000000000) { now->tv_nsec -= 1000000000; now->tv_sec++; }
    }
    return result;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    (void)zone;
    struct timespec precise;
    int result = clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return result;
}
time_t time(time_t *now)
{
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (now) *now = precise.tv_sec;
    return precise.tv_sec;
}
