#include "servers/net/out_queue.h"

#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace rmq::net {
namespace {

constexpr std::size_t kMostPieces = 256;      // in one gathered write
constexpr std::size_t kOwnPiece = 64 * 1024;  // a larger one would be copied too often as it grows

}  // namespace

std::string& OutQueue::tail() {
  if (pieces_.empty() || pieces_.back().left != 0 || pieces_.back().own.size() >= kOwnPiece)
    pieces_.emplace_back();
  return pieces_.back().own;
}

bool OutQueue::add(wire::BodyPart part) {
  if (part.file < 0) {
    if (part.bytes.empty()) return true;
    Piece& piece = pieces_.emplace_back();
    piece.bytes = part.bytes;
    piece.left = part.bytes.size();
    piece.owner = std::move(part.owner);
    count(piece.left, true);
    return true;
  }
  if (part.size >= kSendFile) {
    Piece& piece = pieces_.emplace_back();
    piece.file = part.file;
    piece.offset = part.offset;
    piece.left = static_cast<std::size_t>(part.size);
    piece.owner = std::move(part.owner);
    count(piece.left, false);
    return true;
  }
  std::string& to = tail();
  for (std::int64_t done = 0; done < part.size;) {
    const auto left = static_cast<std::size_t>(part.size - done);
    const std::size_t at = to.size();
    to.resize(at + left);
    const ssize_t got = ::pread(part.file, to.data() + at, left, part.offset + done);
    to.resize(at + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    count(static_cast<std::size_t>(got), true);
    done += got;
  }
  return true;
}

OutQueue::Flush OutQueue::flush(int socket) {
  while (first_ < pieces_.size()) {
    const Flush flushed = pieces_[first_].file >= 0 ? write_file(socket) : write_memory(socket);
    if (flushed != Flush::done) return flushed;
  }
  clear();
  return Flush::done;
}

OutQueue::Flush OutQueue::write_memory(int socket) {
  std::array<iovec, kMostPieces> parts;
  std::size_t count = 0;
  std::size_t total = 0;
  std::size_t next = first_;
  for (; next < pieces_.size() && count < kMostPieces && pieces_[next].file < 0; ++next) {
    Piece& piece = pieces_[next];
    void* at = piece.left != 0 ? const_cast<std::byte*>(piece.bytes.data())
                               : static_cast<void*>(piece.own.data() + piece.sent);
    const std::size_t size = piece.remaining();
    if (size == 0) continue;
    parts[count++] = {at, size};
    total += size;
  }
  if (count != 0) {
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = count;
    // A file's run follows: let the kernel fill the segment with it.
    const int more = next < pieces_.size() ? MSG_MORE : 0;
    const ssize_t sent = ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT | more);
    if (sent < 0) {
      if (errno == EINTR) return Flush::done;
      return errno == EAGAIN || errno == EWOULDBLOCK ? Flush::blocked : Flush::failed;
    }
    written(static_cast<std::size_t>(sent));
    if (static_cast<std::size_t>(sent) < total) return Flush::blocked;
  }
  first_ = next;
  return Flush::done;
}

OutQueue::Flush OutQueue::write_file(int socket) {
  Piece& piece = pieces_[first_];
  off_t offset = piece.offset;
  const ssize_t sent = ::sendfile(socket, piece.file, &offset, piece.left);
  if (sent < 0) {
    if (errno == EINTR) return Flush::done;
    return errno == EAGAIN || errno == EWOULDBLOCK ? Flush::blocked : Flush::failed;
  }
  if (sent == 0) return Flush::failed;  // the file is shorter than was promised
  written(static_cast<std::size_t>(sent));
  return Flush::done;
}

void OutQueue::written(std::size_t bytes) {
  while (bytes != 0) {
    Piece& piece = pieces_[first_];
    const std::size_t part = std::min(bytes, piece.remaining());
    bytes -= part;
    size_ -= part;
    if (piece.file < 0) memory_ -= part;
    if (piece.left == 0) {
      piece.sent += part;
    } else {
      piece.left -= part;
      piece.offset += static_cast<std::int64_t>(part);
      if (piece.file < 0) piece.bytes = piece.bytes.subspan(part);
    }
    if (piece.remaining() != 0) return;
    piece = Piece{};  // lets go of the owner now
    ++first_;
  }
}

void OutQueue::clear() {
  // An idle connection holds no buffer.
  std::vector<Piece>().swap(pieces_);
  first_ = 0;
  size_ = 0;
  memory_ = 0;
}

}  // namespace rmq::net
