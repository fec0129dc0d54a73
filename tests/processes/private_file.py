# One file, served from memory over another, to nobody but the user 65534: a file system of somebody's own, as FUSE makes them.
import ctypes, os, struct, sys

served = open(sys.argv[1], 'rb').read()
libc = ctypes.CDLL(None, use_errno=True)
try:
    fuse = os.open('/dev/fuse', os.O_RDWR)
    options = f'fd={fuse},rootmode=100755,user_id=65534,group_id=65534'.encode()
    is_mounted = libc.mount(b'private', sys.argv[2].encode(), b'fuse', 0, options) == 0
except OSError:
    is_mounted = False
print('ready' if is_mounted else 'no FUSE', flush=True)

INIT, GETATTR, OPEN, READ = 26, 3, 14, 15
UNKNOWN = -38
blocks = (len(served) + 511) // 512
attributes = struct.pack('<QQQQQQIIIIIIIIII', 1, len(served), blocks, 0, 0, 0, 0, 0, 0, 0o100755, 1, 65534, 65534, 0, 4096, 0)
while is_mounted:
    request = os.read(fuse, 1 << 20)
    _, what, number = struct.unpack_from('<IIQ', request)
    error, answer = 0, b''
    if what == INIT:
        answer = struct.pack('<IIIIHHI', 7, 31, 0, 0, 16, 12, 1 << 17).ljust(64, b'\0')
    elif what == GETATTR:
        answer = struct.pack('<QII', 100, 0, 0) + attributes
    elif what == OPEN:
        answer = struct.pack('<QII', 1, 0, 0)
    elif what == READ:
        _, offset, size = struct.unpack_from('<QQI', request, 40)
        answer = served[offset:offset + size]
    else:
        error = UNKNOWN
    try:
        os.write(fuse, struct.pack('<IiQ', 16 + len(answer), error, number) + answer)
    except OSError:
        pass  # It waits for no answer.
