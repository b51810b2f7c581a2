// What is still to be written to one connection: bytes of ours, bytes of others, and runs of files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "servers/wire/command.h"

namespace rmq::net {

// For the thread of its connection.
class OutQueue {
 public:
  // Runs of a file from here on go by sendfile; shorter ones are read and go with their neighbours.
  static constexpr std::int64_t kSendFile = 16 * 1024;

  // `write` appends to the string it is given.
  template <class Write>
  void append(Write write) {
    std::string& to = tail();
    const std::size_t before = to.size();
    write(to);
    count(to.size() - before, true);
  }
  // False when a file could not be read: the frame that the part belongs to can no longer be written.
  [[nodiscard]] bool add(wire::BodyPart part);

  enum class Flush : std::uint8_t { done, blocked, failed };
  // Writes what the socket takes, with as few calls as can be.
  [[nodiscard]] Flush flush(int socket);

  [[nodiscard]] bool empty() const { return pieces_.empty(); }
  [[nodiscard]] std::size_t size() const { return size_; }      // bytes not yet written
  [[nodiscard]] std::size_t memory() const { return memory_; }  // of those in memory
  void clear();

 private:
  struct Piece {
    std::string own;
    std::span<const std::byte> bytes;  // of others
    int file = -1;
    std::int64_t offset = 0;  // in the file, of what was not written yet
    std::size_t left = 0;     // of `bytes` or the file; own bytes are counted by own.size() - sent
    std::size_t sent = 0;     // of `own`
    std::shared_ptr<const void> owner;

    [[nodiscard]] std::size_t remaining() const { return own.size() - sent + left; }
  };

  [[nodiscard]] std::string& tail();
  void count(std::size_t bytes, bool in_memory) {
    size_ += bytes;
    if (in_memory) memory_ += bytes;
  }
  [[nodiscard]] Flush write_memory(int socket);
  [[nodiscard]] Flush write_file(int socket);
  void written(std::size_t bytes);

  std::vector<Piece> pieces_;
  std::size_t first_ = 0;  // pieces before it are written
  std::size_t size_ = 0;
  std::size_t memory_ = 0;
};

}  // namespace rmq::net
