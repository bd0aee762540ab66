/**
 * The system calls that a worker may make, as a classic-BPF program for `bwrap --seccomp`. An allow-list, taken from
 * traces of a worker under load; what is not on it answers ENOSYS, as on a kernel without it, so that a C library falls
 * back. What stands on it does not open a socket, start a process, signal another, write a file or enter a namespace.
 * `execve` is on it because the filter is in force before Node itself is started; the file tree has no other program.
 */
const ALLOWED = {
  x64:
    // files and descriptors, reading only
    "read 0 write 1 close 3 stat 4 fstat 5 lstat 6 lseek 8 pread64 17 readv 19 writev 20 access 21 dup 32 dup2 33 " +
    "getcwd 79 readlink 89 statfs 137 fstatfs 138 newfstatat 262 readlinkat 267 faccessat 269 dup3 292 pipe2 293 " +
    "statx 332 faccessat2 439 " +
    // waiting
    "poll 7 epoll_wait 232 epoll_ctl 233 ppoll 271 epoll_pwait 281 eventfd2 290 epoll_create1 291 epoll_pwait2 441 " +
    // memory
    "mmap 9 mprotect 10 munmap 11 brk 12 mremap 25 madvise 28 membarrier 324 " +
    // threads and signals of its own
    "rt_sigaction 13 rt_sigprocmask 14 rt_sigreturn 15 sched_yield 24 nanosleep 35 execve 59 exit 60 sigaltstack 131 " +
    "arch_prctl 158 gettid 186 futex 202 set_tid_address 218 restart_syscall 219 clock_nanosleep 230 exit_group 231 " +
    "set_robust_list 273 rseq 334 " +
    // facts
    "getpid 39 getsockname 51 getpeername 52 getsockopt 55 uname 63 gettimeofday 96 getrlimit 97 getrusage 98 " +
    "sysinfo 99 getuid 102 getgid 104 geteuid 107 getegid 108 getppid 110 getresuid 118 getresgid 120 capget 125 " +
    "sched_getparam 143 sched_getscheduler 145 time 201 sched_getaffinity 204 clock_gettime 228 clock_getres 229 " +
    "getcpu 309 getrandom 318",
  arm64:
    "getcwd 17 eventfd2 19 epoll_create1 20 epoll_ctl 21 epoll_pwait 22 dup 23 dup3 24 statfs 43 fstatfs 44 " +
    "faccessat 48 close 57 pipe2 59 lseek 62 read 63 write 64 readv 65 writev 66 pread64 67 ppoll 73 readlinkat 78 " +
    "newfstatat 79 fstat 80 capget 90 exit 93 exit_group 94 set_tid_address 96 futex 98 set_robust_list 99 " +
    "nanosleep 101 clock_gettime 113 clock_getres 114 clock_nanosleep 115 sched_getscheduler 120 sched_getparam 121 " +
    "sched_getaffinity 123 sched_yield 124 restart_syscall 128 sigaltstack 132 rt_sigaction 134 rt_sigprocmask 135 " +
    "rt_sigreturn 139 getresuid 148 getresgid 150 uname 160 getrlimit 163 getrusage 165 getcpu 168 gettimeofday 169 " +
    "getpid 172 getppid 173 getuid 174 geteuid 175 getgid 176 getegid 177 gettid 178 sysinfo 179 getsockname 204 " +
    "getpeername 205 getsockopt 209 brk 214 munmap 215 mremap 216 execve 221 mmap 222 mprotect 226 madvise 233 " +
    "getrandom 278 membarrier 283 statx 291 rseq 293 faccessat2 439 epoll_pwait2 441",
} as const;

/** Calls that may be made with some arguments only. */
const CHECKED = {
  x64: { open: 2, ioctl: 16, clone: 56, fcntl: 72, prctl: 157, openat: 257, prlimit64: 302 },
  arm64: { open: -1, ioctl: 29, clone: 220, fcntl: 25, prctl: 167, openat: 56, prlimit64: 261 },
} as const;

const AUDIT_ARCH = { x64: 0xc000003e, arm64: 0xc00000b7 } as const;
const [ALLOW, KILL, EPERM, ENOSYS] = [0x7fff0000, 0x80000000, 0x00050001, 0x00050026];
const [LOAD, AND, JUMP_EQUAL, RETURN] = [0x20, 0x54, 0x15, 0x06];

type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, k: number];
const low = (argument: number): Instruction => [LOAD, 0, 0, 16 + 8 * argument];
const high = (argument: number): Instruction => [LOAD, 0, 0, 20 + 8 * argument];
const answer = (k: number): Instruction => [RETURN, 0, 0, k];

/** Allowed if the argument's bits under the mask are `value`. */
function masked(argument: number, mask: number, value: number): Instruction[] {
  return [low(argument), [AND, 0, 0, mask], [JUMP_EQUAL, 0, 1, value], answer(ALLOW), answer(EPERM)];
}

/** Allowed if the argument is one of `values`. */
function oneOf(argument: number, values: readonly number[]): Instruction[] {
  return [
    low(argument),
    ...values.map((v, i): Instruction => [JUMP_EQUAL, values.length - i, 0, v]),
    answer(EPERM),
    answer(ALLOW),
  ];
}

const O_WRITING = 0o3 | 0o100 | 0o1000 | 0o2000 | 0o20000000;
const CLONE_THREAD = 0x00010000;
/** CLONE_NEW* of time, mount, cgroup, uts, ipc, user, pid, net. */
const CLONE_NEW = 0x80 | 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000;

const CHECKS: Record<keyof (typeof CHECKED)["x64"], readonly Instruction[]> = {
  open: masked(1, O_WRITING, 0),
  openat: masked(2, O_WRITING, 0),
  // A thread of this process, in the namespaces that it has. `clone3` is absent: its flags lie where no filter can look.
  clone: masked(0, CLONE_THREAD | CLONE_NEW, CLONE_THREAD),
  // F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC
  fcntl: oneOf(1, [0, 1, 2, 3, 4, 1030]),
  // TCGETS, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX
  ioctl: oneOf(1, [0x5401, 0x541b, 0x5421, 0x5450, 0x5451]),
  // PR_GET_DUMPABLE, PR_SET_NAME, PR_GET_NAME, PR_CAPBSET_READ, PR_GET_NO_NEW_PRIVS, PR_SET_VMA
  prctl: oneOf(0, [3, 15, 16, 23, 39, 0x53564d41]),
  // Limits may be read: the new limit is a null pointer.
  prlimit64: [low(2), [JUMP_EQUAL, 0, 3, 0], high(2), [JUMP_EQUAL, 0, 1, 0], answer(ALLOW), answer(EPERM)],
};

/** The filter for this processor as `struct sock_filter[]`, or undefined where there is no table for it. */
export function seccompFilter(arch: string = process.arch): Buffer | undefined {
  if (arch !== "x64" && arch !== "arm64") return undefined;
  const program: Instruction[] = [[LOAD, 0, 0, 4], [JUMP_EQUAL, 1, 0, AUDIT_ARCH[arch]], answer(KILL), [LOAD, 0, 0, 0]];
  const words = ALLOWED[arch].split(" ");
  for (let i = 1; i < words.length; i += 2) program.push([JUMP_EQUAL, 0, 1, Number(words[i])], answer(ALLOW));
  for (const [name, number] of Object.entries(CHECKED[arch])) {
    if (number < 0) continue;
    const check = CHECKS[name as keyof typeof CHECKS];
    program.push([JUMP_EQUAL, 0, check.length, number], ...check);
  }
  // Calls of the x32 kind have numbers that none of the above has.
  program.push(answer(ENOSYS));
  const bytes = Buffer.alloc(program.length * 8);
  program.forEach(([code, ifTrue, ifFalse, k], i) => {
    bytes.writeUInt16LE(code, i * 8);
    bytes[i * 8 + 2] = ifTrue;
    bytes[i * 8 + 3] = ifFalse;
    bytes.writeUInt32LE(k >>> 0, i * 8 + 4);
  });
  return bytes;
}
