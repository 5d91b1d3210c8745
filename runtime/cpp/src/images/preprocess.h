//! From pictures to the network's input, as the manifest says and as segpp.images.preprocess does.
#pragma once

#include <segpp/image.h>
#include <segpp/manifest.h>

#include <cstddef>
#include <vector>

namespace segpp
{

//! Throw InputError unless a picture has pixels and the network's number of channels.
void checkPicture(ImageView const& picture, InputSpec const& spec);

//! Return a picture no larger than the input where a letterbox begins in it, in padding's colour.
Image padPicture(ImageView const& picture, InputSpec const& spec);

//! Write a picture into the input tensor.
//!
//! index: Of the batch; tensor: All of the input, of the manifest's type and layout.
void prepare(ImageView const& picture, InputSpec const& spec, int index, void* tensor);

//! Bytes of a tensor; throws InputError for a type that the runtime does not know.
std::size_t bytesOfTensor(std::vector<std::int64_t> const& shape, std::string const& dtype);

} // namespace segpp
