import { useRig } from "./support/rig";
import { type Make, python, restored } from "./support/workloads";

const { rig, scope } = useRig();

const START = `
import ctypes, fcntl, mmap, os, select, signal, socket, struct, time
libc = ctypes.CDLL(None, use_errno=True)
os.mkdir("/made")
`;
const FOREVER = "\nprint('here', flush=True)\ntime.sleep(1e6)";

/** Opens all that a restore must bring back; when \`/go\` is there it says what does not do its work. */
const RESTORABLE = `${START}
def watched(path):
    fd = libc.inotify_init1(os.O_NONBLOCK)
    libc.inotify_add_watch(fd, path.encode(), 0x100)
    return fd
os.makedirs("/made/watched/deeper")
watches = {path: watched(path) for path in ("/made/watched/deeper", "/usr/lib", "/", "/dev/shm")}
def written(path, size=1000):
    file = open(path, "w+b")
    file.write(b"x" * size); file.flush()
    return file
deleted, linked = written("/made/deleted", 1 << 20), written("/made/linked")
os.unlink("/made/deleted")
os.link("/made/linked", "/made/other"); os.unlink("/made/linked")
nameless = os.open("/made", os.O_TMPFILE | os.O_RDWR); os.write(nameless, b"hello")
memory = os.memfd_create("m", os.MFD_ALLOW_SEALING); os.write(memory, b"hello"); fcntl.fcntl(memory, 1033, 2)
os.mkdir("/made/gone"); gone = os.open("/made/gone", os.O_RDONLY); os.chdir("/made/gone"); os.rmdir("/made/gone")
event = os.eventfd(7)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
signals = libc.signalfd(-1, ctypes.create_string_buffer(struct.pack("Q", 1 << 9) + bytes(120)), 0)
timer = libc.timerfd_create(1, 0)
libc.timerfd_settime(timer, 0, ctypes.create_string_buffer(struct.pack("qqqq", 0, 0, 5, 0)), None)
reads, writes = os.pipe(); again = os.dup(reads); waits = select.epoll(); waits.register(reads, select.EPOLLIN); os.close(reads)
one, two = socket.socketpair(); one.send(b"queued")
kept = open("/etc/passwd"); socket.send_fds(two, [b"x"], [kept.fileno()]); kept.close()
status, locked = open("/proc/self/status"), open("/made/locked", "w"); fcntl.flock(locked, fcntl.LOCK_EX)
child = os.fork()
if child == 0: time.sleep(1e6)
process = os.pidfd_open(child)
print("here", flush=True)
while not os.path.exists("/go"): time.sleep(0.05)
lost = []
def check(name, works):
    try:
        if not works(): lost.append(name)
    except Exception as error: lost.append(f"{name}: {error}")
def notices(path, fd):
    open(f"{path}/new", "w").close()
    return b"new" in os.read(fd, 4096)
for path, fd in watches.items(): check(f"inotify of {path}", lambda: notices(path, fd))
check("deleted file", lambda: deleted.seek(0) == 0 and len(deleted.read()) == 1 << 20)
check("deleted file with another name", lambda: linked.seek(0) == 0 and len(linked.read()) == 1000 and os.fstat(linked.fileno()).st_ino == os.stat("/made/other").st_ino)
check("nameless file", lambda: os.pread(nameless, 5, 0) == b"hello")
check("memfd", lambda: os.pread(memory, 5, 0) == b"hello" and fcntl.fcntl(memory, 1034) == 2)
check("deleted folder", lambda: os.fstat(gone).st_nlink == 0)
check("eventfd", lambda: os.eventfd_read(event) == 7)
os.kill(os.getpid(), signal.SIGUSR1)
check("signalfd", lambda: len(os.read(signals, 128)) == 128)
check("timerfd", lambda: len(os.read(timer, 8)) == 8)
os.write(writes, b"x")
check("epoll", lambda: len(waits.poll(2)) == 1)
check("socket pair", lambda: two.recv(9) == b"queued")
check("descriptor in flight", lambda: len(socket.recv_fds(one, 9, 1)[1]) == 1)
check("proc", lambda: status.seek(0) == 0 and "Name" in status.read())
check("pidfd", lambda: signal.pidfd_send_signal(process, 9) is None and os.waitpid(child, 0)[1] == 9)
print("lost:", *lost, flush=True)
time.sleep(1e6)
`;

test("what a process has open does its work in the restored pod: watches, deleted files, memfds, timers, sockets and more", async () => {
  const { node, pods } = rig();
  const pod = await node.make(scope(), python(RESTORABLE));
  await pods.logged(pod, /here/);
  const { id } = await node.checkpoint(scope(), pod);
  const copy = await node.make(scope(), restored(pod, id));
  await pods.ready(copy);
  await pods.exec(copy, "touch", "/go");
  expect(await pods.logged(copy, /^lost:/)).toBe("lost:");
});

/** With an emptyDir at \`/scratch\`. */
const inVolume =
  (program: string): Make =>
  (image, runtimeClass) => {
    const pod = python(program, { volumeMounts: [{ name: "scratch", mountPath: "/scratch" }] })(image, runtimeClass);
    return { ...pod, spec: { ...pod.spec, volumes: [{ name: "scratch", emptyDir: {} }] } };
  };
const withRights = (program: string): Make =>
  python(program, {
    securityContext: { runAsUser: 0, capabilities: { add: ["SYS_ADMIN"] }, seccompProfile: { type: "Unconfined" } },
  });

describe("what CRIU cannot restore is refused by name before anything stands still, and the container goes on", () => {
  test.each<[string, string, Make]>([
    [
      "watch",
      "inotify on a file that was deleted",
      python(
        `${START}f = open("/made/f", "w"); fd = libc.inotify_init1(0); libc.inotify_add_watch(fd, b"/made/f", 2); os.unlink("/made/f")${FOREVER}`,
      ),
    ],
    [
      "watch",
      "inotify on a name that would be an option of CRIU's",
      python(
        `${START}os.mkdir("/made/x\\naction-script y"); fd = libc.inotify_init1(0); libc.inotify_add_watch(fd, b"/made/x\\naction-script y", 2)${FOREVER}`,
      ),
    ],
    [
      "deleted_file",
      "a deleted file of 80 MB",
      python(
        `${START}f = open("/made/f", "wb"); f.write(bytes(80 << 20)); f.flush(); os.posix_fallocate(f.fileno(), 0, 80 << 20); os.unlink("/made/f")${FOREVER}`,
      ),
    ],
    [
      "descriptor",
      "a POSIX message queue",
      python(`${START}assert libc.mq_open(b"/queue", os.O_RDWR | os.O_CREAT, 0o600, None) >= 0${FOREVER}`),
    ],
    [
      "descriptor",
      "a userfaultfd",
      withRights(`${START}assert libc.syscall({"x86_64": 323, "aarch64": 282}[os.uname().machine], 1) >= 0${FOREVER}`),
    ],
    [
      "descriptor",
      "a timer that nobody read",
      python(
        `${START}fd = libc.timerfd_create(1, 0); libc.timerfd_settime(fd, 0, ctypes.create_string_buffer(struct.pack("qqqq", 0, 1000000, 0, 1000000)), None); select.select([fd], [], [])${FOREVER}`,
      ),
    ],
    [
      "deleted_mapping",
      "a program that runs from a memfd",
      python(`${START}fd = os.memfd_create("m", 0); os.write(fd, open("/bin/sleep", "rb").read())
if os.fork() == 0: os.execv(f"/proc/self/fd/{fd}", ["sleep", "1000000"])
while not any(os.readlink(f"/proc/{pid}/exe").startswith("/memfd") for pid in os.listdir("/proc") if pid.isdigit()): time.sleep(0.01)${FOREVER}`),
    ],
    [
      "epoll",
      "an epoll of a pipe that only a child has open",
      python(`${START}r, w = os.pipe(); e = select.epoll(); e.register(r, select.EPOLLIN)
if os.fork() == 0: time.sleep(1e6)
os.close(r)${FOREVER}`),
    ],
    [
      "namespace",
      "a network namespace of its own",
      withRights(`${START}
ready, done = os.pipe()
if os.fork() == 0:
    assert libc.unshare(0x40000000) == 0
    os.write(done, b"x"); time.sleep(1e6)
os.read(ready, 1)${FOREVER}`),
    ],
    [
      "lease",
      "a lease on a file of a volume",
      inVolume(`${START}f = open("/scratch/f", "w"); fcntl.fcntl(f, 1024, 1)${FOREVER}`),
    ],
  ])("%s: %s", async (code, _what, make) => {
    const { node, pods } = rig();
    const pod = await node.make(scope(), make);
    await pods.logged(pod, /here/);
    const { exitCode, failure } = await node.dump(scope(), pod);
    expect({ exitCode, code: failure?.code, criu: failure?.criu }).toEqual({ exitCode: 1, code, criu: [] });
    expect((await pods.state(pod)).status!.containerStatuses).toMatchObject([{ ready: true, restartCount: 0 }]);
  });

  test("socket: a connection to a process that was exec'd", async () => {
    const { node, pods } = rig();
    const pod = await node.make(
      scope(),
      python(`${START}print("waits", flush=True)
while not os.path.exists("/made/ready"): time.sleep(0.02)
s = socket.socket(socket.AF_UNIX); s.connect("/made/s")${FOREVER}`),
    );
    await pods.logged(pod, /waits/);
    const exec = pods.exec(
      pod,
      "python3",
      "-c",
      "import os, socket, time\ns = socket.socket(socket.AF_UNIX); s.bind('/made/s'); s.listen(); open('/made/ready', 'w').close()\nwhile not os.path.exists('/stop'): time.sleep(0.05)",
    );
    await pods.logged(pod, /here/);
    expect((await node.dump(scope(), pod)).failure?.code).toBe("socket");
    await pods.exec(pod, "touch", "/stop");
    await exec;
    expect((await node.dump(scope(), pod)).failure).toBeUndefined();
  });
});
