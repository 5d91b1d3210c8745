//! mask_of_picture MODEL PICTURE MASK.png: the library in twenty lines.
#include <segpp/error.h>
#include <segpp/picture.h>
#include <segpp/session.h>

#include <iostream>

int main(int count, char** words)
try
{
    if (count != 4)
    {
        throw segpp::InputError("give a model, a picture and a name for the mask");
    }
    segpp::Session session(words[1]);
    segpp::Image const picture = segpp::loadPicture(words[2], session.manifest().input);
    segpp::Result const result = session.run(picture);
    segpp::writeMask(words[3], result.labels[0], session.manifest().classes);
    std::cout << session.description() << ": " << result.timing.inferenceMs << " ms\n";
    return 0;
}
catch (segpp::Error const& failure)
{
    std::cerr << "error: " << failure.what() << '\n';
    return failure.exitCode();
}
