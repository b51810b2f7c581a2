#include "libstore/codec/archive_writer.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <utility>

namespace rmq::codec {

struct ArchiveWriter::Handle {
  Sink sink;
  ::archive* archive = nullptr;
};

namespace {

constexpr std::int64_t kLeastUsed = 4096;  // libarchive needs some data in a sparse file

la_ssize_t hand_on(::archive* archive, void* sink, const void* bytes, std::size_t size) {
  if ((*static_cast<ArchiveWriter::Sink*>(sink))({static_cast<const std::byte*>(bytes), size}))
    return static_cast<la_ssize_t>(size);
  ::archive_set_error(archive, EIO, "writing failed");
  return -1;
}

struct EntryDeleter {
  void operator()(::archive_entry* entry) const { ::archive_entry_free(entry); }
};
using EntryPointer = std::unique_ptr<::archive_entry, EntryDeleter>;

EntryPointer entry_of(const std::string& path, std::int64_t modified_ms) {
  EntryPointer entry(::archive_entry_new());
  ::archive_entry_set_pathname(entry.get(), path.c_str());
  ::archive_entry_set_mtime(entry.get(), modified_ms / 1000,
                            static_cast<long>(modified_ms % 1000) * 1'000'000);
  return entry;
}

}  // namespace

ArchiveWriter::ArchiveWriter(Sink sink) : handle_(std::make_unique<Handle>(Handle{std::move(sink)})) {
  handle_->archive = ::archive_write_new();
  ::archive_write_set_format_pax_restricted(handle_->archive);
  ::archive_write_add_filter_zstd(handle_->archive);
  ::archive_write_set_bytes_in_last_block(handle_->archive, 1);
  ::archive_write_open(handle_->archive, &handle_->sink, nullptr, hand_on, nullptr);
}

ArchiveWriter::~ArchiveWriter() { ::archive_write_free(handle_->archive); }

Result<void> ArchiveWriter::check(int code, const char* what) {
  if (code >= ARCHIVE_WARN) return {};
  const char* reason = ::archive_error_string(handle_->archive);
  return Error{ErrorCode::io_error, 0,
               std::string(what) + ": " + (reason == nullptr ? "unknown fault" : reason)};
}

Result<void> ArchiveWriter::add_directory(const std::string& path, std::int64_t modified_ms) {
  const EntryPointer entry = entry_of(path, modified_ms);
  ::archive_entry_set_filetype(entry.get(), AE_IFDIR);
  ::archive_entry_set_perm(entry.get(), 0755);
  return check(::archive_write_header(handle_->archive, entry.get()), "writing the archive");
}

Result<void> ArchiveWriter::begin_file(const std::string& path, std::int64_t size, std::int64_t used,
                                       std::int64_t modified_ms) {
  const EntryPointer entry = entry_of(path, modified_ms);
  ::archive_entry_set_filetype(entry.get(), AE_IFREG);
  ::archive_entry_set_perm(entry.get(), 0644);
  ::archive_entry_set_size(entry.get(), size);
  used = std::max(used, kLeastUsed);
  if (used < size) ::archive_entry_sparse_add_entry(entry.get(), 0, used);
  return check(::archive_write_header(handle_->archive, entry.get()), "writing the archive");
}

Result<void> ArchiveWriter::write(std::span<const std::byte> bytes) {
  const la_ssize_t written = ::archive_write_data(handle_->archive, bytes.data(), bytes.size());
  return check(written < 0 ? ARCHIVE_FATAL : ARCHIVE_OK, "writing the archive");
}

Result<void> ArchiveWriter::finish() {
  return check(::archive_write_close(handle_->archive), "ending the archive");
}

}  // namespace rmq::codec
