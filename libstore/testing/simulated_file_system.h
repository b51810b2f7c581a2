// A disk in memory that a test can cut off, tear, fill up and break, behind the interface that a store is
// written through. It has two states: the cached one, which processes see and which outlives a killed
// process, and the durable one, which is all that a power loss leaves for certain. What happens by chance
// comes from the seed alone, as long as one thread calls.
//
// A file made by create_sparse takes from the disk what was written to it, others their whole size. Contents
// go by pages of 4 KiB: a page is durable after a sync that covers it (or when the simulated kernel wrote it
// back by itself, which it does at any call), and at a power loss each other page stays, vanishes or tears in
// sectors of 512 bytes. Names go by directory entries: those that create, replace, rename, remove and
// make_directories changed are durable when these return; what was under way stays or vanishes entry by
// entry. All of a live mapping that differs from the durable bytes counts as dirty.
//
// An end (kill or power loss) is the end of the process that used the files: from then on every call through
// this object and what was opened by it answers kEnded, locks are free, and stores into its mappings reach
// nothing. restart() is the next process on the same disk. A test that counts acknowledgements asks ended()
// after each: what was acknowledged when ended() is true was acknowledged by nobody.
//
// Thread-safe; the stores through mappings are not seen, and may go on in other threads all the time.
#pragma once

#include <cerrno>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "libstore/io/file_system.h"

namespace rmq::testing {

namespace simulation {
class Disk;
}

class SimulatedFileSystem final : public io::FileSystem {
 public:
  enum class End { kill, power_loss };
  // What a power loss leaves of what was not synced: chance decides, or the worst or the best case.
  enum class Unsynced { by_chance, lost, kept };
  static constexpr int kEnded = ESHUTDOWN;  // os_errno of every call after the end

  explicit SimulatedFileSystem(std::uint64_t seed);
  ~SimulatedFileSystem() override;

  // Sets the scene; on disk at once, and not counted as calls. Paths are absolute, without "..".
  void put(const std::string& path, std::span<const std::byte> bytes);
  void set_capacity(std::int64_t bytes);  // of the disk; contents count, by whole pages
  void set_time(std::int64_t now_ms);     // what writing sets as time of modification
  void set_write_back(
      unsigned per_thousand);  // how often a call lets the kernel write pages back; 125 by default

  // Calls that change something (and lock, set_modified, map and syncs) are counted from 1, so are those that
  // read (open, open_for_write, list, stat, read_at).
  [[nodiscard]] std::uint64_t calls() const;
  [[nodiscard]] std::uint64_t reads() const;
  // The n-th from now on (1: the next one) fails. It may have done a part: bytes written, a name changed and
  // not synced.
  void fail_call(std::uint64_t n, int os_errno);
  void fail_read(std::uint64_t n, int os_errno);
  // Every sync fails from now on, the ones within other calls too; 0 ends it. As Linux does, a sync that
  // fails takes its pages for clean: what is read stays as written, the disk does not have it, and a later
  // sync does not write it.
  void fail_syncs(int os_errno);
  // The kernel needs memory: clean pages outside of mappings are read from disk again when next needed. Shows
  // what a failed sync lost.
  void evict();
  // Somebody removes a file or a whole directory beneath the process; durable.
  void remove_beneath(const std::string& path);

  // The end comes within the n-th call from now on, which may have done a part of its work, or all, or none.
  void end_at(std::uint64_t n, End end);
  void kill();
  void lose_power(Unsynced unsynced = Unsynced::by_chance);
  [[nodiscard]] bool ended() const;
  void restart();  // also ends what fail_call, fail_read, fail_syncs and end_at had planned

  [[nodiscard]] Result<std::unique_ptr<io::ReadFile>> open(const std::string& path) const override;
  [[nodiscard]] Result<std::vector<io::DirectoryEntry>> list(const std::string& directory) const override;
  [[nodiscard]] Result<io::DirectoryEntry> stat(const std::string& path) const override;
  [[nodiscard]] Result<std::unique_ptr<io::WriteFile>> open_for_write(const std::string& path) override;
  [[nodiscard]] Result<std::unique_ptr<io::WriteFile>> create(const std::string& path, std::int64_t size,
                                                              std::span<const std::byte> head) override;
  [[nodiscard]] std::vector<Status> create_sparse(std::span<const io::NewFile> files) override;
  [[nodiscard]] Status sync_file_system(const std::string& path) override;
  [[nodiscard]] Status replace(const std::string& path, std::span<const std::byte> bytes) override;
  [[nodiscard]] Status make_directories(const std::string& path) override;
  [[nodiscard]] Status rename(const std::string& from, const std::string& to) override;
  [[nodiscard]] Status remove(const std::string& path) override;
  [[nodiscard]] Status set_modified(const std::string& path, std::int64_t modified_ms) override;
  [[nodiscard]] Result<std::unique_ptr<io::FileLock>> lock(const std::string& path) override;
  [[nodiscard]] Result<io::Space> space(const std::string& directory) const override;

 private:
  [[nodiscard]] Result<std::unique_ptr<io::WriteFile>> make_file(const io::NewFile& file, bool sparse);

  std::shared_ptr<simulation::Disk> disk_;  // also held by what was opened
};

}  // namespace rmq::testing
