"""Positives rendered by a radiance field: other views of one object, from posed photos of it.

    captures   photos with their cameras, as instant-ngp, nerfstudio and COLMAP leave them
    cameras    pixels to rays and points to pixels          poses      new cameras between and around the given ones
    space      the world in a cube                          field      density and colour on a grid
    sampling   where along a ray to look                    renderer   rays through the field
    fit        the field learns the photos                  scores     PSNR, SSIM, sharpness

Source: Karnewar 2022, ReLU Fields (arXiv:2205.10824); sampling and distortion loss: Barron 2022, Mip-NeRF 360
(arXiv:2111.12077).
"""
