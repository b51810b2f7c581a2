#include "libstore/recovery/undo.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "libstore/bytes/big_endian.h"
#include "libstore/bytes/crc32.h"
#include "libstore/recovery/store_listing.h"
#include "libstore/recovery/undo_journal.h"
#include "libstore/recovery/undo_manifest.h"

namespace rmq::recovery {
namespace {

constexpr std::int64_t kPiece = 1 << 20;

// FileSystem::replace leaves such a file when it is killed.
bool is_aside_of(std::string_view name, std::string_view of) {
  return name.starts_with('.') && name.ends_with(".new") && name.substr(1).starts_with(of) &&
         name.size() > of.size() + 1 && name[of.size() + 1] == '.';
}

bool is_missing(const Error& error) { return error.code == ErrorCode::not_found; }

std::string sentence(const UndoEntry& entry) {
  if (entry.kind == "made") return fmt::format("{} goes: it was not there", entry.path);
  if (entry.kind == "moved") return fmt::format("{} comes back", entry.path);
  if (entry.kind == "bytes")
    return fmt::format("{}: bytes {} to {} as they were", entry.path, entry.offset,
                       entry.offset + entry.length);
  if (entry.kind == "content") return fmt::format("{}: its old content", entry.path);
  return fmt::format("{}: its time of modification", entry.path);
}

class Undoer {
 public:
  Undoer(io::FileSystem& files, std::string directory, UndoManifest manifest)
      : files_(files), directory_(std::move(directory)), manifest_(std::move(manifest)) {}

  // Was it written to by somebody else since?
  Status check_unchanged() {
    if (manifest_.undoing) return {};  // it was checked when the undo began
    RMQ_TRY(now, list_store(files_, manifest_.root, manifest_.others));
    if (!manifest_.after.empty()) {
      if (now.hash() == manifest_.after) return {};
      return changed("files have other sizes or times than when it was finished");
    }
    // Unfinished: what the manifest does not tell must be as it was.
    RMQ_TRY(before, read_before());
    const auto relative = [&](const std::string& path) {
      return is_below(path, manifest_.root) ? path.substr(manifest_.root.size() + 1) : path;
    };
    for (const UndoEntry& entry : manifest_.entries) {
      for (const std::string& path : {relative(entry.path), relative(entry.to)}) {
        now.files.erase(path);
        before.files.erase(path);
        if (entry.kind != "moved") continue;
        const auto went_along = [&](const auto& file) { return is_below(file.first, path); };  // a directory
        std::erase_if(now.files, went_along);
        std::erase_if(before.files, went_along);
      }
      if (entry.kind != "made" && entry.kind != "content") continue;
      std::erase_if(now.files, [&](const auto& file) {
        return io::parent_of(file.first) == io::parent_of(relative(entry.path)) &&
               is_aside_of(io::name_of(file.first), io::name_of(entry.path));
      });
    }
    if (now == before) return {};
    for (const auto& [path, file] : now.files) {
      const auto was = before.files.find(path);
      if (was == before.files.end()) return changed(path + " is new");
      if (was->second != file) return changed(path + " has another size or time");
    }
    return changed("a file is missing");
  }

  Status run() {
    RMQ_TRY(manifest, files_.open_for_write(io::join_path(directory_, kUndoManifest)));
    std::int64_t end = manifest_.size;
    std::size_t left = manifest_.undoing ? *manifest_.undoing + 1 : manifest_.entries.size();
    for (; left > 0; --left) {
      // So that a second undo does not begin behind what this one has put back.
      const std::string line = fmt::format("{{\"undo\":\"undoing\",\"entry\":{}}}\n", left - 1);
      RMQ_CHECK(manifest->write_durable(end, as_bytes(line)));
      end += std::ssize(line);
      RMQ_CHECK(take_back(manifest_.entries[left - 1]));
    }
    manifest.reset();
    return clean_up();
  }

 private:
  Error changed(const std::string& what) const {
    return wrong_use(
        fmt::format("{} was written to since ({}): an undo would lose that", manifest_.root, what));
  }

  Result<StoreListing> read_before() {
    RMQ_TRY(bytes, io::read_all(files_, io::join_path(directory_, kUndoBefore), kLargestUndoManifest));
    auto listing = StoreListing::from_json(as_text(bytes));
    if (!listing) return damaged_manifest(directory_, "the list of files is damaged");
    return *std::move(listing);
  }

  Status take_back(const UndoEntry& entry) {
    if (entry.kind == "made") return unmake(entry);
    if (entry.kind == "moved") {
      if (!files_.stat(entry.to) || files_.stat(entry.path)) return {};
      return files_.rename(entry.to, entry.path);
    }
    if (entry.kind == "time") {
      if (!files_.stat(entry.path)) return {};
      RMQ_TRY(file, files_.open_for_write(entry.path));
      RMQ_CHECK(files_.set_modified(entry.path, entry.modified_ms));
      return file->sync();
    }
    if (entry.kind == "content") {
      RMQ_TRY(old, io::read_all(files_, io::join_path(directory_, entry.saved), kLargestKeptWhole));
      if (crc32(old) != entry.crc) return damaged_manifest(directory_, entry.saved + " is damaged");
      RMQ_CHECK(remove_asides(entry.path));
      return files_.replace(entry.path, old);
    }
    if (entry.kind == "bytes") return put_back(entry);
    return damaged_manifest(directory_, "it has an unknown line: " + entry.kind);
  }

  Status unmake(const UndoEntry& entry) {
    if (!entry.directory) RMQ_CHECK(remove_asides(entry.path));
    const Status gone = files_.remove(entry.path);
    if (gone || is_missing(gone.error())) return {};
    // What somebody else put into a directory that was made stays.
    if (entry.directory && (gone.error().os_errno == ENOTEMPTY || gone.error().os_errno == EEXIST)) return {};
    return gone;
  }

  Status remove_asides(const std::string& path) {
    const auto entries = files_.list(io::parent_of(path));
    if (!entries) return {};
    for (const io::DirectoryEntry& entry : *entries)
      if (is_aside_of(entry.name, io::name_of(path)))
        RMQ_CHECK(files_.remove(io::join_path(io::parent_of(path), entry.name)));
    return {};
  }

  Status put_back(const UndoEntry& entry) {
    RMQ_TRY(file, files_.open_for_write(entry.path));
    if (entry.offset < 0 || entry.length < 0 || entry.offset > file->size() - entry.length)
      return damaged_manifest(directory_, entry.path + " is shorter than what is kept of it");
    std::unique_ptr<io::ReadFile> saved;
    if (!entry.saved.empty()) {
      RMQ_TRY(opened, files_.open(io::join_path(directory_, entry.saved)));
      saved = std::move(opened);
    }
    std::vector<std::byte> bytes;
    std::vector<std::byte> there;
    for (std::int64_t at = 0; at < entry.length; at += kPiece) {
      bytes.assign(static_cast<std::size_t>(std::min(kPiece, entry.length - at)), std::byte{0});
      if (saved) {
        RMQ_TRY(got, saved->read_at(at, bytes));
        if (got < bytes.size()) return damaged_manifest(directory_, entry.saved + " is too short");
      }
      there.resize(bytes.size());
      RMQ_TRY(got, file->read_at(entry.offset + at, there));
      if (got == bytes.size() && there == bytes) continue;  // holes stay holes
      RMQ_CHECK(file->write_at(entry.offset + at, bytes));
    }
    return file->sync();
  }

  Status clean_up() {
    RMQ_TRY(entries, files_.list(directory_));
    for (const io::DirectoryEntry& entry : entries) {
      const bool saved = std::ranges::any_of(manifest_.entries,
                                             [&](const UndoEntry& one) { return one.saved == entry.name; });
      const bool leftover = entry.kind == io::EntryKind::file &&
                            (entry.name.find('@') != std::string::npos || entry.name == kUndoBefore ||
                             entry.name == kUndoPlan || is_aside_of(entry.name, kUndoBefore) ||
                             is_aside_of(entry.name, kUndoPlan));
      if (saved || leftover) RMQ_CHECK(files_.remove(io::join_path(directory_, entry.name)));
    }
    RMQ_CHECK(files_.remove(io::join_path(directory_, kUndoManifest)));
    for (const std::string& made : manifest_.made_directories) {
      // From the innermost to the outermost, unless there is something else in it.
      if (made == directory_ || is_below(directory_, made)) (void)files_.remove(made);
    }
    return {};
  }

  io::FileSystem& files_;
  std::string directory_;
  UndoManifest manifest_;
};

}  // namespace

Result<UndoSummary> read_undo(const io::ReadFileSystem& files, const std::string& directory) {
  RMQ_TRY(manifest, read_manifest(files, directory));
  constexpr std::size_t kMostSentences = 100;
  UndoSummary summary{manifest.root,
                      manifest.purpose,
                      manifest.plan,
                      !manifest.after.empty(),
                      std::ssize(manifest.entries),
                      {}};
  for (const UndoEntry& entry : manifest.entries) {
    if (entry.kind == "time") continue;
    if (summary.sentences.size() < kMostSentences) summary.sentences.push_back(sentence(entry));
  }
  return summary;
}

Status undo(io::FileSystem& files, const std::string& directory) {
  RMQ_TRY(manifest, read_manifest(files, directory));
  Undoer undoer(files, directory, std::move(manifest));
  RMQ_CHECK(undoer.check_unchanged());
  return undoer.run();
}

std::vector<std::string> unfinished_undos(const io::ReadFileSystem& files, const std::string& root,
                                          std::string_view plan) {
  std::vector<std::string> unfinished;
  const std::string all = io::join_path(root, kLostAndFound);
  const auto entries = files.list(all);
  if (!entries) return unfinished;
  for (const io::DirectoryEntry& entry : *entries) {
    if (entry.kind != io::EntryKind::directory) continue;
    const std::string directory = io::join_path(all, entry.name);
    const auto manifest = read_manifest(files, directory);
    if (manifest && manifest->after.empty() && manifest->plan == plan) unfinished.push_back(directory);
  }
  return unfinished;
}

}  // namespace rmq::recovery
